#!/bin/sh
# clang-tidy over library and program. With --recent only over files that one of the last 8 commits touched.
cd "$(dirname "$0")/../.." || exit 1
command -v run-clang-tidy-19 >/dev/null || { echo "no clang-tidy-19 here: nothing read"; exit 0; }
scripts/full/clang.sh --commands || exit 1
files="$PWD/(unfold|cli)/.*\.cpp$"
if [ "${1:-}" = --recent ]; then
  files=$(git log -n 8 --name-only --format= -- 'unfold/*.cpp' 'cli/*.cpp' | sort -u |
    while read -r file; do if [ -e "$file" ]; then echo "$PWD/$file"; fi; done)
fi
# shellcheck disable=SC2086 # paths are words
run-clang-tidy-19 -quiet -j "$(nproc)" -p build-clang $files
