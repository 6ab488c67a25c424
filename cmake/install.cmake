# What `cmake --install` lays down: headers, libraries, the CMake package unfold (components core, formats, images) and
# unfold.pc. Relocatable: no file names the prefix it was built for.
include(CMakePackageConfigHelpers)

set(unfold_components core)
if(UNFOLD_BUILD_FORMATS)
  list(APPEND unfold_components formats explain)
endif()
if(UNFOLD_BUILD_IMAGES)
  list(APPEND unfold_components images)
endif()

list(TRANSFORM unfold_components PREPEND unfold_ OUTPUT_VARIABLE unfold_targets)
install(TARGETS ${unfold_targets} unfold_unfold EXPORT unfold_targets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/unfold DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN "*.h")

# The CMake package.
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/unfold)
install(EXPORT unfold_targets NAMESPACE unfold:: FILE unfold-targets.cmake DESTINATION ${package_dir})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/unfold-config.cmake.in unfold-config.cmake
  INSTALL_DESTINATION ${package_dir} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(unfold-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/unfold-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/unfold-config-version.cmake
  ${PROJECT_SOURCE_DIR}/cmake/FindHighway.cmake DESTINATION ${package_dir})

# pkg-config. A static library cannot name what it needs itself: there, `pkg-config --libs` has to.
set(pc_libraries "")
foreach(component IN LISTS unfold_components)
  string(PREPEND pc_libraries "-lunfold_${component} ")  # who needs comes before who is needed
endforeach()
set(pc_requires zlib libhwy)
if(UNFOLD_BUILD_IMAGES)
  list(APPEND pc_requires libpng libjpeg)
endif()
list(JOIN pc_requires ", " pc_requires)
set(pc_private "")
if(BUILD_SHARED_LIBS)
  set(pc_private .private)
endif()
file(RELATIVE_PATH pc_to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(${PROJECT_SOURCE_DIR}/cmake/unfold.pc.in unfold.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/unfold.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

if(UNFOLD_BUILD_CLI AND PROJECT_IS_TOP_LEVEL)
  include(cmake/package.cmake)
endif()
