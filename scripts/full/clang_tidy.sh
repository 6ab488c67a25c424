#!/bin/sh
# clang-tidy over library and program. With --recent only over the files that the last 8 commits touched, the newest 20.
cd "$(dirname "$0")/../.." || exit 1
command -v run-clang-tidy-19 >/dev/null || { echo "no clang-tidy-19 here: nothing read"; exit 0; }
scripts/full/clang.sh --commands || exit 1
files="$PWD/(unfold|cli)/.*\.cpp$"
if [ "${1:-}" = --recent ]; then
  files=$(git log -n 8 --name-only --format= -- 'unfold/*.cpp' 'cli/*.cpp' | awk 'NF && !seen[$0]++' |
    while read -r file; do if [ -e "$file" ]; then echo "$PWD/$file"; fi; done | head -n 20)
fi
# shellcheck disable=SC2086 # paths are words
run-clang-tidy-19 -quiet -j "$(nproc)" -p build-clang $files
