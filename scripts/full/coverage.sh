#!/bin/sh
# Line coverage of unfold/ by the quick tests, and of each parser by them and the fuzzers' corpus, which are tests, too:
# at least COVERAGE (default 90) percent each. Needs lcov.
cd "$(dirname "$0")/../.." || exit 1
. scripts/variant.sh
command -v lcov >/dev/null || { echo "error: lcov is missing" >&2; exit 1; }
compiler=$(command -v g++)
variant coverage -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG="-O1 --coverage -fprofile-update=atomic"
cmake --build "$variant_build" --parallel "$jobs"
lcov --quiet --directory "$variant_build" --zerocounters
variant_test -LE full
lcov --quiet --directory "$variant_build" --capture --no-external --base-directory "$PWD" --output-file "$variant_build/all.info"
lcov --quiet --extract "$variant_build/all.info" "$PWD/unfold/*" --output-file "$variant_build/unfold.info"
lcov --list "$variant_build/unfold.info"
lcov --summary "$variant_build/unfold.info" 2>&1 | awk -v wanted="${COVERAGE:-90}" '
  { print }
  /lines/ { sub(/%.*/, "", $2); lines = $2 }
  END {
    if (!(lines + 0 >= wanted)) { printf "error: %s %% of the lines are covered, wanted %s %%\n", lines, wanted; exit 1 }
  }'

# The files that read what others wrote.
awk -v wanted="${COVERAGE:-90}" '
  /^SF:/ { file = $0; sub(/.*\/unfold\//, "unfold/", file) }
  /^LF:/ { sub("LF:", ""); lines = $0 }
  /^LH:/ { sub("LH:", ""); hit = $0 }
  /^end_of_record/ && file ~ /^unfold\/(data\/(idx|gzip|cifar|csv_images|zip|npz|tar|image_[a-z]*)|formats\/(npy|safetensors|seal|model_file|network_file|onnx\/[a-z_]*))[.]cpp$/ {
    percent = lines ? 100 * hit / lines : 0
    printf "%-36s %5.1f %% of %4d lines\n", file, percent, lines
    parsers++
    if (!(percent >= wanted)) { printf "error: wanted %s %%\n", wanted; bad = 1 }
  }
  END { exit bad || !parsers }' "$variant_build/unfold.info"
