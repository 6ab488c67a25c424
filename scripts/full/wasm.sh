#!/bin/sh
# The library for WebAssembly with 128-bit vectors, compiled by Emscripten and run by Node: it has no fused multiply-add,
# so it gives the bits of SSE4 (tests/digest.cpp). Of zlib and Highway only the headers are used.
cd "$(dirname "$0")/../.." || exit 1
. scripts/variant.sh
if ! command -v em++ >/dev/null || ! command -v node >/dev/null; then
  [ "$(id -u)" = 0 ] || { echo "not run: emscripten and nodejs are missing, and only root can install them"; exit 0; }
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends emscripten nodejs node-acorn
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
  -DCMAKE_EXE_LINKER_FLAGS="-sINITIAL_MEMORY=536870912 -sEXIT_RUNTIME=1" \
  -DHighway_INCLUDE_DIR="$include" -DHighway_LIBRARY="$include/libempty.a" -DZLIB_INCLUDE_DIR="$include" \
  -DZLIB_LIBRARY="$include/libempty.a" -Ddoctest_DIR=/usr/lib/cmake/doctest \
  -DUNFOLD_BUILD_FORMATS=OFF -DUNFOLD_BUILD_IMAGES=OFF -DUNFOLD_BUILD_CLI=OFF -DUNFOLD_BUILD_EXAMPLES=OFF -DUNFOLD_INSTALL=OFF
cmake --build "$variant_build" --parallel "$jobs" --target unfold_core digest
node "$variant_build/tests/digest.js" | sed -n 's/^WASM: //p' | sort >"$variant_build/digest.wasm"
[ -s "$variant_build/digest.wasm" ] || { echo "error: no digest of WASM" >&2; exit 1; }

native=${NATIVE_BUILD:-build}
[ -x "$native/tests/digest" ] || {
  cmake -S . -B "$native" -DCMAKE_BUILD_TYPE=Release
  cmake --build "$native" --parallel "$jobs" --target digest
}
"$native/tests/digest" | sed -n 's/^SSE4: //p' | sort | diff - "$variant_build/digest.wasm" ||
  { echo "error: WASM (>) differs from SSE4 (<)" >&2; exit 1; }
echo "$(wc -l <"$variant_build/digest.wasm") digests of WASM equal SSE4's"
