#!/bin/sh
# usage: tests/faults/run.sh [SOURCE_TREE]
# Puts each fault of the article's program into a copy of the sources, one after the other, and requires that the tests
# named by its patch fail, which pass without it. The patches are NN-name.patch; their first lines say in plain words
# what is wrong, what is right, and which tests must go red.
set -u
faults=$(cd "$(dirname "$0")" && pwd) || exit 1
source=$(cd "${1:-$faults/../..}" && pwd) || exit 1
for tool in cmake ninja patch; do
  command -v "$tool" >/dev/null || { echo "error: $tool is missing" >&2; exit 1; }
done

copy=$(mktemp -d) || exit 1
trap 'rm -rf "$copy"' EXIT
trap 'exit 130' HUP INT TERM
log=$copy/log
mkdir "$copy/tree"
for part in CMakeLists.txt cmake unfold cli docs exercises tests; do cp -R "$source/$part" "$copy/tree/" || exit 1; done
cd "$copy/tree" || exit 1

# give_up MESSAGE: the end of the log, then the message.
give_up() {
  tail -n 40 "$log"
  echo "error: $1" >&2
  exit 1
}

red_of() { sed -n 's/^red: *//p' "$1"; }
target_of() { printf 'test_%s\n' "$(printf '%s' "$1" | tr / _)"; }
build() { # TEST...
  targets=
  for test; do targets="$targets $(target_of "$test")"; done
  # shellcheck disable=SC2086 # a list
  cmake --build build --parallel 2 --target $targets >"$log" 2>&1
}
passes() { (cd build && ctest --timeout 60 --no-tests=error -R "^$1\$" >>"$log" 2>&1); }

# The copy has another name each time; the compiler cache sees through it, and has what was built elsewhere with the same
# flags. Without it little is optimised: the build takes longer than the tests.
export CCACHE_BASEDIR="$copy/tree" CCACHE_NOHASHDIR=1
flags=-DCMAKE_CXX_FLAGS_RELEASE=-O1
if command -v ccache >/dev/null; then flags=-DCMAKE_CXX_COMPILER_LAUNCHER=ccache; fi
cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release -DUNFOLD_BUILD_CLI=OFF -DUNFOLD_BUILD_IMAGES=OFF \
  -DUNFOLD_BUILD_EXAMPLES=OFF -DUNFOLD_INSTALL=OFF "$flags" >"$log" 2>&1 ||
  give_up "the copy cannot be configured"

tests=$(for fault in "$faults"/*.patch; do red_of "$fault"; done | tr ' ' '\n' | sort -u)
# shellcheck disable=SC2086 # a list
build $tests || give_up "the sources do not build"
for test in $tests; do
  passes "$test" || give_up "$test fails without any fault"
done

passed=0
failed=0
for fault in "$faults"/*.patch; do
  name=$(basename "$fault" .patch)
  red=$(red_of "$fault")
  why=
  if ! patch -p1 -s -f -N <"$fault" >"$log" 2>&1; then
    give_up "$name does not apply any more: write it anew for today's sources"
  fi
  # shellcheck disable=SC2086 # a list
  if [ -z "$red" ]; then
    why="names no test"
  elif ! build $red; then
    why="does not build"
  else
    for test in $red; do
      if passes "$test"; then why="$why $test stays green"; fi
    done
  fi
  patch -p1 -s -f -R <"$fault" >>"$log" 2>&1 || give_up "$name cannot be taken back"
  if [ -z "$why" ]; then
    passed=$((passed + 1))
    printf 'ok      %-48s %s\n' "$name" "$red"
  else
    failed=$((failed + 1))
    printf 'FAILED  %-48s %s\n' "$name" "$why"
    tail -n 20 "$log"
  fi
done
echo "$passed passed, $failed failed"
[ $failed = 0 ] && [ $passed != 0 ]
