# embed(OUTPUT FUNCTION FILE...): a C++ file that defines unfold::FUNCTION() with these files' texts, in this order. Each
# text is a raw string literal, so no file may contain )unfold".
#   as a function while configuring; as a script it does the work:  cmake -DOUTPUT=... -DFUNCTION=... -DFILES=a,b -P embed.cmake
if(CMAKE_SCRIPT_MODE_FILE)
  string(REPLACE "," ";" files "${FILES}")
  set(text "// Made by cmake/embed.cmake.\n#include \"unfold/embedded_file.h\"\n\nnamespace unfold {\nnamespace {\nconstexpr EmbeddedFile kFiles[] = {\n")
  foreach(file IN LISTS files)
    file(READ "${file}" content)
    get_filename_component(name "${file}" NAME)
    string(APPEND text "    {\"${name}\", R\"unfold(${content})unfold\"},\n")
  endforeach()
  string(APPEND text "};\n}  // namespace\n\nstd::span<const EmbeddedFile> ${FUNCTION}();\nstd::span<const EmbeddedFile> ${FUNCTION}() {\n  return kFiles;\n}\n\n}  // namespace unfold\n")
  file(WRITE "${OUTPUT}" "${text}")
  return()
endif()

set(embed_script ${CMAKE_CURRENT_LIST_FILE})
function(embed output function)
  list(TRANSFORM ARGN PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/ OUTPUT_VARIABLE files)
  list(JOIN files "," joined)
  add_custom_command(OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -DOUTPUT=${output} -DFUNCTION=${function} -DFILES=${joined} -P ${embed_script}
    DEPENDS ${files} ${embed_script} VERBATIM)
endfunction()
