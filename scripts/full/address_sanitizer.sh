#!/bin/sh
# Every quick test under AddressSanitizer and UndefinedBehaviorSanitizer. Arguments go to ctest.
cd "$(dirname "$0")/../.." || exit 1
. scripts/variant.sh
variant asan --preset asan -DCMAKE_CXX_FLAGS="-Werror -Wno-deprecated-declarations"
cmake --build "$variant_build" --parallel "$jobs"
variant_test -LE full "$@"
