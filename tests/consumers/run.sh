#!/bin/sh
# Builds and runs programs that use Unfold in each way it can be used: tests/consumers/run.sh BUILD
# BUILD is a build tree of all parts. The core is built again with every optional dependency forbidden.
set -eu
cd "$(dirname "$0")/../.."
here=$PWD/tests/consumers
build=$(cd "${1:?usage: tests/consumers/run.sh BUILD}" && pwd)
work=$(mktemp -d)
built=$PWD/build-consumer # what is compiled lies in $built-NAME, as deep as any build: a compiler cache then knows it
trap 'rm -rf "$work" "$built"-*' EXIT
jobs=$(nproc)
CMAKE_BUILD_TYPE=Release
CMAKE_GENERATOR=${CMAKE_GENERATOR:-Ninja}
export CMAKE_BUILD_TYPE CMAKE_GENERATOR

# The programs find the moved copy, never the folder the build was told of.
cmake --build "$build" --parallel "$jobs"
for part in core formats images; do [ -e "$build/library/libunfold_$part.a" ] || exit 1; done
cmake --install "$build" --prefix "$work/first" >/dev/null
mv "$work/first" "$work/whole"

cmake -S . -B "$built-core" -DCMAKE_INSTALL_PREFIX="$work/core" \
  -DUNFOLD_BUILD_FORMATS=OFF -DUNFOLD_BUILD_IMAGES=OFF -DUNFOLD_BUILD_CLI=OFF -DUNFOLD_BUILD_TESTS=OFF \
  -DUNFOLD_BUILD_EXAMPLES=OFF -DCMAKE_DISABLE_FIND_PACKAGE_PNG=ON -DCMAKE_DISABLE_FIND_PACKAGE_JPEG=ON \
  -DCMAKE_DISABLE_FIND_PACKAGE_nlohmann_json=ON -DCMAKE_DISABLE_FIND_PACKAGE_CLI11=ON \
  -DCMAKE_DISABLE_FIND_PACKAGE_doctest=ON
cmake --build "$built-core" --parallel "$jobs"
cmake --install "$built-core" >/dev/null

# consumer NAME CMAKE-ARGUMENT...: configures, builds and runs one.
consumer() {
  name=$1
  shift
  echo "== $name"
  cmake -B "$built-$name" "$@"
  cmake --build "$built-$name" --parallel "$jobs"
  "$built-$name/consumer"
}
consumer find_package_core -S "$here/find_package" -DCMAKE_PREFIX_PATH="$work/core" \
  -DCMAKE_DISABLE_FIND_PACKAGE_PNG=ON -DCMAKE_DISABLE_FIND_PACKAGE_JPEG=ON
consumer find_package_whole -S "$here/find_package" -DCMAKE_PREFIX_PATH="$work/whole" -DWHOLE=ON
consumer add_subdirectory -S "$here/add_subdirectory"

for kind in core whole; do
  echo "== pkg_config_$kind"
  PKG_CONFIG_PATH=$(dirname "$(find "$work/$kind" -name unfold.pc)")
  export PKG_CONFIG_PATH
  # shellcheck disable=SC2046 # flags are words
  ${CXX:-c++} -std=c++20 "$here/$kind.cpp" $(pkg-config --cflags --libs unfold) -o "$work/pkg_config_$kind"
  "$work/pkg_config_$kind"
done

# A component that was not built is refused by name.
if cmake -S "$here/find_package" -B "$work/refused" -DCMAKE_PREFIX_PATH="$work/core" -DWHOLE=ON >"$work/log" 2>&1; then
  echo "find_package(unfold COMPONENTS formats) went through without formats" >&2
  exit 1
fi
grep -q 'built without the component' "$work/log"
echo "5 consumers built and ran"
