# cmake -DGIT=... -DSOURCE=... -DOUTPUT=... -P revision.cmake: writes the header that names the commit, "" if unknown.
cmake_minimum_required(VERSION 3.22)
set(revision "")
if(GIT AND EXISTS "${SOURCE}/.git")
  execute_process(
    COMMAND ${GIT} --no-optional-locks describe --always --dirty --exclude=* --abbrev=10
    WORKING_DIRECTORY "${SOURCE}" OUTPUT_VARIABLE revision ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
endif()
file(CONFIGURE OUTPUT "${OUTPUT}" CONTENT "#define UNFOLD_REVISION \"@revision@\"\n" @ONLY)
