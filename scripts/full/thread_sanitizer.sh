#!/bin/sh
# The tests that use threads (label "threads") under ThreadSanitizer.
cd "$(dirname "$0")/../.." || exit 1
. scripts/variant.sh
variant tsan --preset tsan
# tests/a/b_test.cpp is the test a/b of the target test_a_b: only what is run is built.
targets=$(ctest --test-dir "$variant_build" -N -L threads | sed -n 's/^ *Test *#[0-9]*: //p' | tr / _ | sed 's/^/test_/')
[ -n "$targets" ] || { echo "error: no test has the label threads" >&2; exit 1; }
# shellcheck disable=SC2086 # names are words
cmake --build "$variant_build" --parallel "$jobs" --target $targets
# Where the kernel scatters addresses more widely than the sanitizer knows, it has to be told not to.
if command -v setarch >/dev/null && setarch -R true 2>/dev/null; then
  setarch -R ctest --test-dir "$variant_build" --output-on-failure --no-tests=error -L threads
else
  variant_test -L threads -j 1
fi
