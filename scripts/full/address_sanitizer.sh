#!/bin/sh
# Quick tests under AddressSanitizer and UndefinedBehaviorSanitizer: all of them, or those that ctest picks by the arguments.
cd "$(dirname "$0")/../.." || exit 1
. scripts/variant.sh
variant asan --preset asan -DCMAKE_CXX_FLAGS="-Werror -Wno-deprecated-declarations"
targets=all
if [ $# != 0 ]; then
  # tests/a/b_test.cpp is the test a/b of the target test_a_b: only what is run is built.
  targets=$(ctest --test-dir "$variant_build" -N -LE full "$@" | sed -n 's/^ *Test *#[0-9]*: //p' | tr / _ | sed 's/^/test_/; s/^test_digest$/digest/')
fi
# shellcheck disable=SC2086 # names are words
cmake --build "$variant_build" --parallel "$jobs" --target $targets
variant_test -LE full "$@"
