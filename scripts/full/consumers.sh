#!/bin/sh
# Programs that use Unfold by find_package, add_subdirectory and pkg-config.
cd "$(dirname "$0")/../.." || exit 1
command -v pkg-config >/dev/null || { echo "error: pkg-config is missing" >&2; exit 1; }
exec tests/consumers/run.sh build
