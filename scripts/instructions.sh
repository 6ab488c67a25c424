#!/bin/sh
# scripts/instructions.sh [--update] [BUILD]
# Performance is kept: counts the instructions of a LeNet-5 training step and of single layers (tests/perf/) and compares
# them with bench/instructions.txt. A line there is: NAME, the fewest instructions there ever were, those accepted now.
# It fails if
#   - a count is more than 5 % above the accepted one;
#   - an accepted one is more than 5 % above the fewest, and bench/NOTES.md has no line "instructions: NAME ACCEPTED"
#     with what the instructions were paid for.
# --update accepts what is counted now. BUILD is a Release tree with tests (default: build).
set -eu
cd "$(dirname "$0")/.."
file=bench/instructions.txt
notes=bench/NOTES.md
update=
[ "${1:-}" != --update ] || { update=yes; shift; }
build=${1:-build}
command -v valgrind >/dev/null || {
  apt-get install -y --no-install-recommends valgrind >/dev/null 2>&1 ||
    { echo "error: valgrind is missing; hint: apt-get install valgrind" >&2; exit 1; }
}
wanted=$(sed -n 's/^compiler //p' "$file" 2>/dev/null || :)
compiler=$(sed -n 's/^CMAKE_CXX_COMPILER:[A-Z]*=//p' "$build/CMakeCache.txt" 2>/dev/null || :)
compiler=${compiler:-$(command -v "${CXX:-c++}")}
kind=g++
"$compiler" --version | grep -q clang && kind=clang
version="$kind $("$compiler" -dumpversion | cut -d . -f 1)"
if [ -z "$update" ] && [ "$version" != "$wanted" ]; then
  echo "not compared: the counts are those of $wanted, this is $version"
  exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
build_program() {
  cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Release -DUNFOLD_BUILD_TESTS=ON &&
    cmake --build "$build" --parallel 2 --target instructions
}
build_program >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
program=$(find "$build" -name instructions -type f -perm -u+x | head -n 1)
valgrind --tool=callgrind --collect-atstart=no --callgrind-out-file="$work/out" "$program" >"$work/log" 2>&1 ||
  { cat "$work/log"; exit 1; }
# One dump a count: "desc: Trigger: Client Request: NAME", and "totals: COUNT".
for dump in "$work"/out.*; do
  sed -n 's/^desc: Trigger: Client Request: //p; s/^totals: //p' "$dump" | paste -sd ' '
done | awk 'NF == 2' >"$work/counts"
[ -s "$work/counts" ] || { echo "error: nothing was counted" >&2; cat "$work/log"; exit 1; }

touch "$work/none"
[ -f "$file" ] || file=$work/none
if [ -n "$update" ]; then
  awk -v version="$version" '
    FILENAME == ARGV[1] { if (NF == 3 && $1 !~ /^#/ && $1 != "compiler") fewest[$1] = $2; next }
    FNR == 1 {
      print "# Instructions of one call, AVX2, one thread: name, fewest ever, accepted. scripts/instructions.sh --update"
      print "compiler " version
    }
    { print $1, ($1 in fewest) && fewest[$1] < $2 ? fewest[$1] : $2, $2 }' "$file" "$work/counts" >"$work/new"
  cp "$work/new" bench/instructions.txt
  file=bench/instructions.txt
fi
awk -v notes="$notes" '
  FILENAME == notes { if ($1 == "instructions:") noted[$2 " " $3] = 1; next }
  FILENAME != ARGV[ARGC - 1] { if (NF == 3 && $1 !~ /^#/ && $1 != "compiler") { fewest[$1] = $2; accepted[$1] = $3 }; next }
  !($1 in accepted) { printf "error: %s has no accepted count\n", $1; bad = 1; next }
  {
    seen[$1] = 1
    printf "%-24s %12d  %+6.2f %%\n", $1, $2, ($2 / accepted[$1] - 1) * 100
    if (!($2 <= accepted[$1] * 1.05)) {
      printf "error: %s: %d instructions, accepted are %d\n", $1, $2, accepted[$1]
      bad = 1
    }
    if (accepted[$1] > fewest[$1] * 1.05 && !(($1 " " accepted[$1]) in noted)) {
      printf "error: %s: %d are accepted, there were %d once: %s has no line \"instructions: %s %d\"\n", \
        $1, accepted[$1], fewest[$1], notes, $1, accepted[$1]
      bad = 1
    }
  }
  END {
    for (name in accepted) if (!(name in seen)) { printf "error: %s was not counted\n", name; bad = 1 }
    if (bad) print "hint: make it faster, or scripts/instructions.sh --update and a line in " notes " that says why"
    exit bad
  }' "$notes" "$file" "$work/counts"
