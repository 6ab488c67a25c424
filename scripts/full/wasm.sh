#!/bin/sh
# The library for WebAssembly with 128-bit vectors compiles. It is not run: Debian 12's Emscripten cannot link a program for
# want of a working acorn. Of zlib and Highway only the headers are used.
cd "$(dirname "$0")/../.." || exit 1
. scripts/variant.sh
if ! command -v em++ >/dev/null; then
  [ "$(id -u)" = 0 ] || { echo "not run: emscripten is missing, and only root can install them"; exit 0; }
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends emscripten
fi
toolchain=/usr/share/emscripten/cmake/Modules/Platform/Emscripten.cmake
include=$PWD/build-wasm/include # not all of /usr/include, which is another system's
mkdir -p "$include"
for header in hwy doctest zlib.h zconf.h; do
  ln -sfn "/usr/include/$header" "$include/$header"
done
echo 'int unfold_empty;' >"$include/empty.c"
(cd "$include" && emcc -c empty.c -o empty.o && rm -f libempty.a && emar rc libempty.a empty.o)
compiler=$(command -v em++)
variant wasm -DCMAKE_BUILD_TYPE=Release -DCMAKE_TOOLCHAIN_FILE="$toolchain" \
  -DCMAKE_CXX_FLAGS="-msimd128 -fexceptions -isystem $include" \
  -DHighway_INCLUDE_DIR="$include" -DHighway_LIBRARY="$include/libempty.a" -DZLIB_INCLUDE_DIR="$include" \
  -DZLIB_LIBRARY="$include/libempty.a" -Ddoctest_DIR=/usr/lib/cmake/doctest \
  -DUNFOLD_BUILD_FORMATS=OFF -DUNFOLD_BUILD_IMAGES=OFF -DUNFOLD_BUILD_CLI=OFF -DUNFOLD_BUILD_EXAMPLES=OFF -DUNFOLD_INSTALL=OFF
cmake --build "$variant_build" --parallel "$jobs" --target unfold_core
