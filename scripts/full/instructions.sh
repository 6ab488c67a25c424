#!/bin/sh
# No more instructions than were accepted.
cd "$(dirname "$0")/../.." || exit 1
exec scripts/instructions.sh
