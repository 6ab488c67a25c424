# shellcheck shell=sh
# Sourced by the scripts that build the tree in another way. Builds with clang 19 where it is installed, else with g++.

set -eu
. scripts/common.sh

compiler=$(command -v clang++-19 || command -v g++)
jobs=$(build_jobs)

# variant NAME CMAKE-ARGUMENT...: configures and names the build tree build-NAME.
variant() {
  variant_build=build-$1
  shift
  CXX=$compiler cmake -S . -B "$variant_build" -G Ninja -DCMAKE_EXPORT_COMPILE_COMMANDS=ON "$@"
}

# variant_test CTEST-ARGUMENT...: runs tests of that tree, at least one.
variant_test() { ctest --test-dir "$variant_build" --output-on-failure --no-tests=error -j "$jobs" "$@"; }
