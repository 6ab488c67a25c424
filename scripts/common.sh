# shellcheck shell=sh disable=SC2034,SC2154 # variables that come from, or go to, the script that sources this
# What ./quickstart and ./check share: packages, numbered steps, the build. Sourced with the project's folder as the
# working directory; wants the variables
#   packages   Debian's names of what has to be installed
#   steps      how many steps there will be
#   name       of the script, for its logs
# POSIX sh; on the machine nothing is needed but the base system.

build=build
step=0
ticker=
ticking=yes
started=$(date +%s)
hint=

fail() {
  printf 'error: %s\n' "$1" >&2
  [ $# -lt 2 ] || printf 'hint: %s\n' "$2" >&2
  exit 1
}

# ---- the system -----------------------------------------------------------------------------------------------------

# system: prints debian-12, ubuntu-24.04, ...; what it is not known by is printed all the same.
system() (
  ID=unknown VERSION_ID=
  # shellcheck source=/dev/null
  [ ! -r "${UNFOLD_OS_RELEASE:=/etc/os-release}" ] || . "$UNFOLD_OS_RELEASE"
  echo "$ID-$VERSION_ID"
)

# choose_packages: completes `packages` with the name this system has for libjpeg, or ends the script, nothing touched,
# where the names are not known.
choose_packages() {
  case $(system) in
    debian-12 | debian-13) packages="$packages libjpeg62-turbo-dev" ;;
    ubuntu-24.04) packages="$packages libjpeg-turbo8-dev" ;;
    *)
      cat >&2 <<END
error: ./$name installs packages on Debian 12, Debian 13 and Ubuntu 24.04 only; this is $(system)
hint: install what these Debian packages hold (C++20 compiler, CMake 3.22 or newer, libraries), then build by hand:
  $packages libjpeg-dev

  cmake -S . -B $build -DUNFOLD_BUILD_TESTS=$([ "$name" = check ] && echo ON || echo OFF)
  cmake --build $build
  $([ "$name" = check ] && echo "ctest --test-dir $build --output-on-failure" || echo "$build/unfold train")
END
      exit 1
      ;;
  esac
}

# missing_packages PACKAGE...: prints those that are not installed.
missing_packages() {
  for package; do
    case $(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null) in
      ?i*) ;;
      *) printf '%s ' "$package" ;;
    esac
  done
}

# package_sizes PACKAGE...: prints "N packages, X MB to download, Y MB on disk", dependencies included, or fails where apt does not know
# them (no package lists yet). Changes nothing and needs no rights.
package_sizes() {
  plan=$(LC_ALL=C apt-get install --no-install-recommends --print-uris -y "$@" 2>/dev/null) || return 1
  printf '%s\n' "$plan" | awk '
    /^After this operation/ { disk = $4 " " $5 }
    /^\047/ { count++; bytes += $3 }
    END {
      printf "%d package%s, %.1f MB to download, %s on disk\n", count, count == 1 ? "" : "s", bytes / 1e6, disk ? disk : "? MB"
    }'
}

# The exact line for whoever administers the machine.
administrator_line() {
  echo "apt-get update && apt-get install --yes --no-install-recommends $*"
}

# install_as_root PACKAGE...: with lists where there are some; with fresh ones where there are none or they are too old.
# Also run by sudo, in a shell of its own.
install_as_root() {
  DEBIAN_FRONTEND=noninteractive
  export DEBIAN_FRONTEND
  set -- --yes --no-install-recommends -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@"
  if apt-get install --print-uris "$@" >/dev/null 2>&1 && apt-get install "$@"; then
    return 0
  fi
  apt-get update && apt-get install "$@"
}

# can_ask: a terminal is there to ask for a password.
can_ask() { (: </dev/tty) 2>/dev/null; }

# with_sudo COMMAND...: as root, the proxy kept. Whoever is asked for a password is asked once: one sudo for all.
with_sudo() {
  sudo -p "[sudo] password for %p (Ctrl-C: install nothing): " env \
    ${http_proxy:+"http_proxy=$http_proxy"} ${https_proxy:+"https_proxy=$https_proxy"} \
    ${HTTP_PROXY:+"HTTP_PROXY=$HTTP_PROXY"} ${HTTPS_PROXY:+"HTTPS_PROXY=$HTTPS_PROXY"} \
    ${no_proxy:+"no_proxy=$no_proxy"} LC_ALL=C "$@"
}

# need_packages: the step that installs what is missing of `packages`; apt is not called where nothing is.
need_packages() {
  # shellcheck disable=SC2086 # names are words
  missing=$(missing_packages $packages)
  missing=${missing% }
  if [ -z "$missing" ]; then
    begin "Packages: all there"
    done_step
    return
  fi

  how=none
  if [ "$(id -u)" = 0 ]; then
    how=root
  elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || can_ask; }; then
    how=sudo
  fi
  # shellcheck disable=SC2086
  sizes=$(package_sizes $missing) || sizes=
  if [ $how = root ] && [ -z "$sizes" ]; then
    steps=$((steps + 1))
    step "Package lists" apt-get update
    # shellcheck disable=SC2086
    sizes=$(package_sizes $missing) || sizes=
  fi
  cat <<END
Missing packages: $missing
  with all they need: ${sizes:-megabytes are known once apt has its package lists}
END
  if [ $how = none ]; then
    cat >&2 <<END
error: these packages are missing, and only an administrator can install them
hint: ask for this line to be run as root, then run ./$name again:
  $(administrator_line "$missing")
END
    exit 1
  fi
  if [ $how = sudo ] && sudo -n true 2>/dev/null && can_ask; then
    # No password will be asked for, so this is the one question.
    printf 'Install them with sudo? [Y/n] ' >/dev/tty
    read -r answer </dev/tty || answer=n
    case $answer in
      '' | [Yy]*) ;;
      *) fail "nothing was installed" "run ./$name again, or as root: $(administrator_line "$missing")" ;;
    esac
  fi
  # shellcheck disable=SC2086
  if [ $how = root ]; then
    step "Packages" install_as_root $missing
  else
    hint="an administrator can run: $(administrator_line "$missing")"
    sudo -n true 2>/dev/null || ticking=no # it would write over the question for the password
    step "Packages" with_sudo sh -c '. scripts/common.sh && install_as_root "$@"' sh $missing
    ticking=yes hint=
  fi
}

# ---- steps ----------------------------------------------------------------------------------------------------------

seconds() { echo $(($(date +%s) - step_started)); }

# begin TITLE: prints "[2/4] TITLE ... ".
begin() {
  step=$((step + 1))
  title=$1
  step_started=$(date +%s)
  printf '[%d/%d] %s ... ' "$step" "$steps" "$title"
}

# done_step: how long it took; on a terminal over the line that was ticking.
done_step() {
  stop_ticker
  ! on_terminal || printf '\r[%d/%d] %s ... ' "$step" "$steps" "$title"
  printf '%s s\n' "$(seconds)"
}

on_terminal() { [ -t 1 ] && [ "${TERM:-dumb}" != dumb ]; }

stop_ticker() {
  [ -z "$ticker" ] || kill "$ticker" 2>/dev/null || :
  ticker=
}

# On a terminal the running step says every second how long it has taken.
start_ticker() {
  if [ $ticking = yes ] && on_terminal; then
    while sleep 1; do
      printf '\r[%d/%d] %s ... %s s ' "$step" "$steps" "$title" "$(seconds)"
    done &
    ticker=$!
  fi
}

# quiet COMMAND...: runs a part of a step; all it prints goes to the step's log, in one language, whatever the locale.
# Returns its exit code.
quiet() (
  exec >>"$log" 2>&1
  LC_ALL=C
  export LC_ALL
  printf '+ %s\n' "$*"
  "$@"
)

# failed CODE: ends the script with the last lines of the log.
failed() {
  stop_ticker
  printf 'failed after %s s\n\n' "$(seconds)"
  tail -n 20 "$log" >&2
  printf '\nerror: step %d (%s) failed with exit code %d\n' "$step" "$title" "$1" >&2
  printf 'hint: the whole log is %s\n' "$log" >&2
  [ -z "$hint" ] || printf 'hint: %s\n' "$hint" >&2
  exit "$1"
}

# open_log: where the output of the step goes.
open_log() {
  log=$build/logs/$name-$step.log
  if ! { mkdir -p "$build/logs" && : >"$log"; } 2>/dev/null; then
    echo
    fail "cannot write to $log" "does $build/ belong to another user? Remove it, or run as that user"
  fi
}

# step TITLE COMMAND...: one whole step.
step() {
  begin "$1"
  shift
  open_log
  start_ticker
  code=0
  quiet "$@" || code=$?
  [ $code = 0 ] || failed $code
  done_step
}

# A step that is interrupted ends by itself; the script then passes its exit code on.
trap ':' INT
trap stop_ticker EXIT

# ---- the build ------------------------------------------------------------------------------------------------------

# build_jobs: as many as there are processors, and gigabytes of memory to spare.
build_jobs() {
  jobs=$(nproc)
  free=$(awk '/^MemAvailable:/ { print int($2 / 1000000) }' /proc/meminfo)
  [ "$jobs" -le "${free:-1}" ] || jobs=$free
  [ "$jobs" -ge 1 ] || jobs=1
  echo "$jobs"
}

# cached NAME: the value of a variable of the build tree.
cached() { sed -n "s/^$1:[A-Z]*=//p" "$build/CMakeCache.txt" 2>/dev/null; }

# no_build_tree: none there, or one that was copied from another place and names files that may not be there.
no_build_tree() {
  { [ ! -e "$build/build.ninja" ] && [ ! -e "$build/Makefile" ]; } || [ "$(cached CMAKE_HOME_DIRECTORY)" != "$PWD" ]
}

# configure ARGUMENT...: makes the build tree, or changes it, keeping the generator it has.
configure() {
  ! no_build_tree || rm -rf "$build/CMakeCache.txt" "$build/CMakeFiles"
  [ -e "$build/CMakeCache.txt" ] || set -- -G Ninja "$@"
  cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Release -DUNFOLD_SANITIZE= "$@"
}
