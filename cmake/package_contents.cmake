# Run by cpack between the installation into its own folder and the packing (cmake/package.cmake).
#   TGZ: the libraries that the program needs go beside it, but for those of the C library; their licences too.
#   DEB: the search path for such libraries is taken out again; the changelog goes where Debian looks for it.
# In a second role, as a script of its own, it prints what the program needs: cpack itself cannot ask.
if(CMAKE_SCRIPT_MODE_FILE AND PROGRAM)
  file(GET_RUNTIME_DEPENDENCIES EXECUTABLES ${PROGRAM} RESOLVED_DEPENDENCIES_VAR found
    PRE_EXCLUDE_REGEXES "^ld-linux" "^lib(c|m|dl|rt|pthread)[.]so")
  execute_process(COMMAND ${CMAKE_COMMAND} -E echo "${found}")
  return()
endif()

file(GLOB_RECURSE program ${CPACK_TEMPORARY_DIRECTORY}/*/bin/unfold ${CPACK_TEMPORARY_DIRECTORY}/bin/unfold)
list(LENGTH program count)
if(NOT count EQUAL 1)
  message(FATAL_ERROR "one bin/unfold was to be packed, not ${count}; was the program built (UNFOLD_BUILD_CLI)?")
endif()
get_filename_component(prefix ${program} DIRECTORY)
get_filename_component(prefix ${prefix} DIRECTORY)
set(documents ${prefix}/share/doc/unfold)

if(CPACK_GENERATOR STREQUAL DEB)
  file(RPATH_REMOVE FILE ${program})
  file(REMOVE ${documents}/LICENSE)  # it is in `copyright`
  execute_process(COMMAND gzip -9n INPUT_FILE ${CPACK_UNFOLD_CHANGELOG}
    OUTPUT_FILE ${documents}/changelog.gz COMMAND_ERROR_IS_FATAL ANY)
  return()
endif()

execute_process(COMMAND ${CMAKE_COMMAND} -DPROGRAM=${program} -P ${CMAKE_CURRENT_LIST_FILE}
  OUTPUT_VARIABLE libraries OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
foreach(library IN LISTS libraries)
  file(COPY ${library} DESTINATION ${prefix}/lib FOLLOW_SYMLINK_CHAIN)
  # Its licence: dpkg knows files by the name before or after /lib became /usr/lib.
  file(REAL_PATH ${library} real)
  string(REGEX REPLACE "^/usr" "" short ${real})
  execute_process(COMMAND dpkg-query --search ${real} ${short} OUTPUT_VARIABLE owner ERROR_QUIET)
  string(REGEX MATCH "^[^:]+" owner "${owner}")
  if(owner AND EXISTS /usr/share/doc/${owner}/copyright)
    configure_file(/usr/share/doc/${owner}/copyright ${documents}/licences/${owner} COPYONLY)
  else()
    message(WARNING "no licence text found for ${library}: put one into the package before you give it away")
  endif()
endforeach()
