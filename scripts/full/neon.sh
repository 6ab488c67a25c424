#!/bin/sh
# The library for 64-bit ARM, run under qemu: NEON gives the bits of AVX2, on fixed random numbers through every kernel
# (tests/digest.cpp), and the tests of kernels pass that an emulator has the time for.
cd "$(dirname "$0")/../.." || exit 1
. scripts/variant.sh
packages="g++-aarch64-linux-gnu qemu-user libhwy-dev:arm64 zlib1g-dev:arm64"
# shellcheck disable=SC2086 # names are words
if ! dpkg -s $packages >/dev/null 2>&1; then
  [ "$(id -u)" = 0 ] || { echo "not run: $packages are missing, and only root can install them"; exit 0; }
  dpkg --add-architecture arm64
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $packages
fi
compiler=aarch64-linux-gnu-g++
variant neon -DCMAKE_BUILD_TYPE=Release -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 \
  -DCMAKE_CROSSCOMPILING_EMULATOR=qemu-aarch64 -DUNFOLD_BUILD_FORMATS=OFF -DUNFOLD_BUILD_IMAGES=OFF \
  -DUNFOLD_BUILD_CLI=OFF -DUNFOLD_BUILD_EXAMPLES=OFF
tests="kernels/gemm kernels/activation kernels/softmax kernels/update kernels/nhwc_pool2d fast_step shape random"
# shellcheck disable=SC2086,SC2046
cmake --build "$variant_build" --parallel "$jobs" --target digest $(echo $tests | tr ' /' '\n_' | sed 's/^/test_/')
qemu-aarch64 "$variant_build/tests/digest" | sed -n 's/^NEON: //p' >"$variant_build/digest.neon"

native=${NATIVE_BUILD:-build}
[ -x "$native/tests/digest" ] || {
  cmake -S . -B "$native" -DCMAKE_BUILD_TYPE=Release
  cmake --build "$native" --parallel "$jobs" --target digest
}
"$native/tests/digest" >"$variant_build/digest.native"
# Any target with fused multiply-add will do.
grep '^AVX' "$variant_build/digest.native" | sed 's/^[A-Z0-9_]*: //' | sort -u >"$variant_build/digest.x86"
[ -s "$variant_build/digest.x86" ] || { echo "not compared: this processor has no AVX2"; exit 0; }
[ -s "$variant_build/digest.neon" ] || { echo "error: no digest of NEON" >&2; exit 1; }
sort "$variant_build/digest.neon" | diff "$variant_build/digest.x86" - ||
  { echo "error: NEON (>) differs from AVX2 (<)" >&2; exit 1; }
echo "$(wc -l <"$variant_build/digest.x86") digests of NEON equal AVX2's"
variant_test -R "^($(echo "$tests" | tr ' ' '|'))\$"
