#!/bin/sh
# The second compiler: everything built with clang 19, without a warning, and every quick test run.
# With --commands only the list of commands is made that clang-tidy reads: clang builds and tests everything with its
# sanitizers anyway.
cd "$(dirname "$0")/../.." || exit 1
. scripts/variant.sh
command -v clang++-19 >/dev/null || { echo "no clang++-19 here: nothing built"; exit 0; }
# libstdc++ 12's own stable_sort calls a function that it has marked as deprecated.
# One file at a time: clang-tidy reads the list of commands this build leaves behind.
variant clang -DCMAKE_BUILD_TYPE=Release -DCMAKE_UNITY_BUILD=OFF -DCMAKE_CXX_FLAGS="-Werror -Wno-deprecated-declarations"
if [ "${1:-}" = --commands ]; then
  cmake --build "$variant_build" --target unfold_revision
else
  cmake --build "$variant_build" --parallel "$jobs"
  variant_test -LE full
fi
