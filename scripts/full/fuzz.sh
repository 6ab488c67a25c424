#!/bin/sh
# Each parser under libFuzzer, two at a time, from its committed corpus; needs clang 19.
#   scripts/full/fuzz.sh [SECONDS [NAME...]]     seconds a parser (default 15), the parsers (default all)
# What is found lies in build-fuzz/findings, what else was learned in build-fuzz/corpus.
cd "$(dirname "$0")/../.." || exit 1
. scripts/variant.sh
command -v clang++-19 >/dev/null || { echo "no clang++-19 here: nothing fuzzed"; exit 0; }
seconds=${1:-15}
[ $# = 0 ] || shift
# One vector target, nothing optimised but what is fuzzed: kernels are not what is tried here.
variant fuzz -DCMAKE_BUILD_TYPE=None -DCMAKE_CXX_FLAGS=-DHWY_COMPILE_ONLY_STATIC -DUNFOLD_BUILD_FUZZERS=ON \
  -DUNFOLD_BUILD_CLI=OFF -DUNFOLD_BUILD_EXAMPLES=OFF
cmake --build "$variant_build" --parallel "$jobs" --target fuzzers
if [ $# = 0 ]; then
  for fuzzer in "$variant_build"/tests/fuzz/*_fuzz; do set -- "$@" "$(basename "$fuzzer" _fuzz)"; done
fi
mkdir -p "$variant_build/findings" "$variant_build/fuzz-logs"

# A file of 64 kB may unpack to 68 MB; the tests fuzz/... measure memory without the sanitizers' own.
fuzz() {
  name=$1
  mkdir -p "$variant_build/corpus/$name"
  if ASAN_OPTIONS=quarantine_size_mb=16 "$variant_build/tests/fuzz/${name}_fuzz" -max_total_time="$seconds" \
    -max_len=65536 -timeout=10 -malloc_limit_mb=72 -rss_limit_mb=1024 -print_final_stats=1 \
    -artifact_prefix="$variant_build/findings/$name-" "$variant_build/corpus/$name" "tests/fuzz/corpus/$name" \
    >"$variant_build/fuzz-logs/$name" 2>&1; then
    printf '%-12s %10s runs, %5s new inputs, nothing found\n' "$name" \
      "$(sed -n 's/^stat::number_of_executed_units: *//p' "$variant_build/fuzz-logs/$name")" \
      "$(sed -n 's/^stat::new_units_added: *//p' "$variant_build/fuzz-logs/$name")"
  else
    printf '%-12s FOUND SOMETHING\n' "$name"
    tail -n 40 "$variant_build/fuzz-logs/$name"
    return 1
  fi
}

code=0
while [ $# != 0 ]; do
  fuzz "$1" &
  first=$!
  second=
  if [ $# != 1 ]; then
    fuzz "$2" &
    second=$!
    shift
  fi
  shift
  wait $first || code=1
  [ -z "$second" ] || wait "$second" || code=1
done
exit $code
