#!/bin/sh
# Every quick test under AddressSanitizer and UndefinedBehaviorSanitizer.
cd "$(dirname "$0")/../.." || exit 1
. scripts/variant.sh
variant asan --preset asan
cmake --build "$variant_build" --parallel "$jobs"
variant_test -LE full
