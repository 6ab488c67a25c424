#!/bin/sh
# Each parser under libFuzzer for FUZZ_SECONDS (default 60); needs clang 19.
cd "$(dirname "$0")/../.." || exit 1
. scripts/variant.sh
command -v clang++-19 >/dev/null || { echo "no clang++-19 here: nothing fuzzed"; exit 0; }
variant fuzz -DCMAKE_BUILD_TYPE=RelWithDebInfo -DUNFOLD_BUILD_FUZZERS=ON -DUNFOLD_BUILD_EXAMPLES=OFF \
  -DCMAKE_CXX_FLAGS="-fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined"
# shellcheck disable=SC2046 # names are words
cmake --build "$variant_build" --parallel "$jobs" \
  --target $(ninja -C "$variant_build" -t targets all | sed -n 's/^\([a-z0-9_]*_fuzz\): phony$/\1/p' | sort -u)
found=
for fuzzer in "$variant_build"/tests/fuzz/*_fuzz; do
  found=yes
  corpus=$variant_build/corpus/$(basename "$fuzzer")
  mkdir -p "$corpus"
  echo "== $fuzzer"
  "$fuzzer" -max_total_time="${FUZZ_SECONDS:-60}" -artifact_prefix="$corpus-" "$corpus" tests/formats/data
done
[ -n "$found" ]
