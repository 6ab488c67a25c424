# Packages of a finished build, each made in the build folder:
#   cpack -G TGZ    one folder that runs wherever it is unpacked, without rights: it brings the libraries it needs
#   cpack -G DEB    for Debian and Ubuntu, with their libraries as dependencies
# scripts/full/packages.sh makes both and tries them.
set(UNFOLD_MAINTAINER "The Unfold authors <maintainers@example.org>" CACHE STRING "Who answers for the packages")

# The program finds libraries that lie beside it, ../lib; an installation has none there, and the .deb says nothing of it.
file(RELATIVE_PATH to_libraries /${CMAKE_INSTALL_BINDIR} /${CMAKE_INSTALL_LIBDIR})
set_target_properties(unfold PROPERTIES INSTALL_RPATH "$ORIGIN/${to_libraries}")

# The documentation lies as in the sources, so that its links hold.
install(FILES README.md CHANGELOG.md CONTRIBUTING.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs examples exercises DESTINATION ${CMAKE_INSTALL_DOCDIR} PATTERN CMakeLists.txt EXCLUDE)

# `copyright`: our licence, and those of what is compiled into the program from headers alone.
file(READ LICENSE copyright)
foreach(package nlohmann-json3-dev libcli11-dev libprotozero-dev)
  if(EXISTS /usr/share/doc/${package}/copyright)
    file(READ /usr/share/doc/${package}/copyright text)
    string(APPEND copyright "\n---- The program holds code of Debian's package ${package}, which is under these terms:\n\n${text}")
  endif()
endforeach()
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/copyright "${copyright}")
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/copyright DESTINATION ${CMAKE_INSTALL_DOCDIR})

string(TOLOWER "${CMAKE_SYSTEM_NAME}" system)
set(CPACK_PACKAGE_NAME unfold)
set(CPACK_PACKAGE_VENDOR "The Unfold authors")
set(CPACK_PACKAGE_CONTACT "${UNFOLD_MAINTAINER}")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "convolutional networks on the CPU, and how they work")
set(CPACK_PACKAGE_FILE_NAME unfold-${PROJECT_VERSION}-${system}-${CMAKE_SYSTEM_PROCESSOR})
set(CPACK_RESOURCE_FILE_LICENSE ${CMAKE_CURRENT_SOURCE_DIR}/LICENSE)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_GENERATOR TGZ)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_SOURCE_DIR}/cmake/package_contents.cmake)

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "ca-certificates, curl, g++ | c++-compiler")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "cmake, libhwy-dev, libjpeg-dev, libpng-dev, zlib1g-dev")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"Unfold trains convolutional networks on the processor and shows how:
convolution is a matrix product over the matrix of patches. The program
trains LeNet-5, reads pictures, explains on one page what every number of
a network does, and checks exercises that students write in C++.

The package holds the program unfold, the C++20 library with its headers,
CMake package and pkg-config file, examples, exercises and a guide. To link
the library the suggested packages are needed; exercises need a compiler.")
string(TIMESTAMP CPACK_UNFOLD_DATE "%a, %d %b %Y %H:%M:%S +0000" UTC)
set(CPACK_UNFOLD_CHANGELOG ${CMAKE_CURRENT_BINARY_DIR}/debian-changelog)
configure_file(cmake/debian-changelog.in debian-changelog @ONLY)
include(CPack)
