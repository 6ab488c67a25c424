#!/bin/sh
# Tests ./quickstart and ./check in a copy of their files, with stand-ins for apt-get, dpkg-query, sudo, cmake, ctest and
# the program, which write down how they were called. Nothing outside a temporary folder is touched, nothing is installed.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

# standin NAME: a program that notes its call, then runs the body given on standard input.
standin() {
  {
    # shellcheck disable=SC2016 # expanded when it runs
    printf '#!/bin/sh\nwork=%s\nprintf "%%s\\n" "%s $*" >>"$work/calls"\n' "$work" "$1"
    cat
  } >"$work/bin/$1"
  chmod +x "$work/bin/$1"
}

# fresh: a new copy of the tree, no packages missing, everything works.
fresh() {
  rm -rf "$work/tree" "${work:?}/bin"
  mkdir -p "$work/tree/scripts" "$work/bin"
  cp "$root/quickstart" "$root/check" "$work/tree/"
  cp "$root/scripts/common.sh" "$work/tree/scripts/"
  printf 'ID=debian\nVERSION_ID="12"\n' >"$work/os-release"
  : >"$work/calls"
  : >"$work/missing"
  echo 0 >"$work/data_code"
  echo 1000 >"$work/uid"
  standin id <<'END'
cat "$work/uid"
END
  standin dpkg-query <<'END'
for package; do :; done
grep -qx "$package" "$work/missing" && exit 1
echo "ii "
END
  # Installing makes no package missing; before "update" no package is known if the file no_lists is there.
  standin apt-get <<'END'
case " $* " in
  *" update "*) rm -f "$work/no_lists" ;;
  *" --print-uris "*)
    [ ! -e "$work/no_lists" ] || exit 100
    echo "Need to get 12.3 MB/45.6 MB of archives."
    echo "After this operation, 78.9 MB of additional disk space will be used."
    echo "'http://mirror/a.deb' a.deb 12000000 SHA256:0"
    echo "'http://mirror/b.deb' b.deb 300000 SHA256:0"
    ;;
  *" install "*) [ ! -e "$work/no_lists" ] || exit 100; : >"$work/missing"; env >"$work/apt_env" ;;
esac
END
  standin cmake <<'END'
[ ! -e "$work/build_breaks" ] || { seq 1 30; echo "no such header"; exit 7; }
mkdir -p build
if [ "$1" = -S ]; then
  printf 'CMAKE_HOME_DIRECTORY:INTERNAL=%s\nCMAKE_BUILD_TYPE:STRING=Release\nUNFOLD_SANITIZE:STRING=\n' "$PWD" >build/CMakeCache.txt
  : >build/build.ninja
else
  cp "$work/bin/program" build/unfold
fi
END
  standin program <<'END'
case $1 in
  data) exit "$(cat "$work/data_code")" ;;
  train) [ ! -e "$work/train_code" ] || exit "$(cat "$work/train_code")"; echo "epoch 1" ;;
  eval) echo '{"accuracy": 0.98765, "loss": 0.04, "per_class": [{"accuracy": 0.5}]}' ;;
esac
END
  standin ctest <<'END'
case " $* " in
  *" -L "*) echo "No tests were found!!!" ;;
  *) [ ! -e "$work/test_fails" ] || { echo "50% tests passed, 1 tests failed out of 2"; exit 8; }
    echo "100% tests passed, 0 tests failed out of 2" ;;
esac
END
}

# run ARGUMENT...: runs a script of the copy, its output in `out`, its exit code in `code`.
run() {
  : >"$work/calls"
  code=0
  out=$(cd "$work/tree" && env PATH="$work/bin:$PATH" UNFOLD_OS_RELEASE="$work/os-release" LANG=C.UTF-8 "$@" 2>&1 </dev/null) ||
    code=$?
  calls=$(cat "$work/calls")
}

fail() {
  failures=$((failures + 1))
  printf 'FAILED: %s: %s\n--- exit code %s, output:\n%s\n--- calls:\n%s\n' "$title" "$1" "$code" "$out" "$calls"
}
says() { case $out in *"$1"*) ;; *) fail "does not say: $1" ;; esac }
silent() { case $out in *"$1"*) fail "says: $1" ;; esac }
called() { case $calls in *"$1"*) ;; *) fail "did not call: $1" ;; esac }
uncalled() { case $calls in *"$1"*) fail "called: $1" ;; esac }
exits() { [ "$code" = "$1" ] || fail "wanted exit code $1"; }
last_line() { [ "$(printf '%s\n' "$out" | tail -n 1)" = "$1" ] || fail "last line is not: $1"; }
# A terminal of the caller would be asked; none is to be had here.
without_terminal() { if command -v setsid >/dev/null; then run setsid -w "$@"; else run "$@"; fi; }

title="nothing missing: apt is never called, the last lines are those of the result"
fresh
run ./quickstart --epochs 2
exits 0
uncalled apt-get
uncalled sudo
called "program train --out runs/quickstart-1 --epochs 2"
says "test accuracy: 98.77 %"
says "model: runs/quickstart-1/best.safetensors"
says "report: runs/quickstart-1/report.html"
silent strokes
says "now try: build/unfold predict examples/digits/7.png"
last_line "    and: build/unfold explain examples/digits/7.png"

title="a second run neither configures nor overwrites"
mkdir -p "$work/tree/runs/quickstart-1"
run ./quickstart
exits 0
uncalled "cmake -S"
called "program train --out runs/quickstart-2"

title="a tree that was moved is configured anew"
sed -i 's/^CMAKE_HOME.*/CMAKE_HOME_DIRECTORY:INTERNAL=\/elsewhere/' "$work/tree/build/CMakeCache.txt"
run ./quickstart
exits 0
called "cmake -S . -B build"

title="from another folder the last line leads there"
run sh -c "cd / && '$work/tree/quickstart'"
exits 0
last_line "    and: cd $work/tree && build/unfold explain examples/digits/7.png"

title="no MNIST: strokes, said first and last"
fresh
echo 3 >"$work/data_code"
run ./quickstart
exits 0
called "program train --data strokes --out runs/quickstart-1"
says "[4/4] Train ... NOT MNIST: this network learns strokes"
last_line "NOT MNIST: this network learns strokes, digits drawn by the program itself; for MNIST see: build/unfold data mnist"

title="a data set that was asked for is never replaced"
run ./quickstart --data fashion-mnist
exits 0
uncalled "program data"
called "program train --out runs/quickstart-1 --data fashion-mnist"

title="another failure of the data step ends the script with its code"
echo 1 >"$work/data_code"
run ./quickstart
exits 1
uncalled "program train"

title="training that was interrupted passes 130 on"
fresh
echo 130 >"$work/train_code"
run ./quickstart
exits 130
rm "$work/train_code"

title="a build that fails: last 20 lines, the log's path, its exit code"
fresh
touch "$work/build_breaks"
run ./quickstart
exits 7
says "no such header"
says "build/logs/quickstart-2.log"
silent "
11
"
says "
12
"
rm "$work/build_breaks"

title="missing as root: names, megabytes, installed without questions or recommended packages"
fresh
echo 0 >"$work/uid"
printf 'g++\nlibhwy-dev\n' >"$work/missing"
run env https_proxy=http://proxy:3128 ./quickstart
exits 0
says "Missing packages: g++ libhwy-dev"
says "2 packages, 12.3 MB to download, 78.9 MB on disk"
called "--yes --no-install-recommends"
uncalled "apt-get update"
uncalled sudo
grep -qx DEBIAN_FRONTEND=noninteractive "$work/apt_env" || fail "apt may ask"
grep -qx https_proxy=http://proxy:3128 "$work/apt_env" || fail "the proxy is lost"

title="missing as root on a machine without package lists: they are fetched first"
fresh
echo 0 >"$work/uid"
touch "$work/no_lists"
echo cmake >"$work/missing"
run ./quickstart
exits 0
called "apt-get update"
says "78.9 MB on disk"

title="missing with sudo: one call, the proxy kept"
fresh
echo curl >"$work/missing"
standin sudo <<'END'
while [ $# -gt 0 ]; do
  case $1 in
    -n) shift ;;
    -p) shift 2 ;;
    *) break ;;
  esac
done
env -u https_proxy "$@"
END
without_terminal env https_proxy=http://proxy:3128 ./quickstart
exits 0
called "sudo -p"
[ "$(grep -c '^sudo -p' "$work/calls")" = 1 ] || fail "sudo was called more than once"
grep -qx https_proxy=http://proxy:3128 "$work/apt_env" || fail "the proxy is lost"

title="missing without sudo: the line for the administrator, exit 1, nothing touched"
fresh
printf 'cmake\nlibjpeg62-turbo-dev\n' >"$work/missing"
standin sudo <<'END'
exit 1
END
without_terminal ./quickstart
exits 1
says "apt-get update && apt-get install --yes --no-install-recommends cmake libjpeg62-turbo-dev"
uncalled "apt-get --yes"
[ ! -e "$work/tree/build" ] || fail "build/ was made"

title="another system: packages, three lines, exit 1, nothing touched"
fresh
printf 'ID=fedora\nVERSION_ID=40\n' >"$work/os-release"
for script in quickstart check; do
  run ./$script
  exits 1
  says "this is fedora-40"
  says "libhwy-dev"
  says "cmake --build build"
  uncalled "apt-get"
  uncalled "dpkg-query"
  [ ! -e "$work/tree/build" ] || fail "build/ was made"
done

title="Ubuntu's name of libjpeg"
fresh
printf 'ID=ubuntu\nVERSION_ID="24.04"\n' >"$work/os-release"
run ./check
exits 0
called "libjpeg-turbo8-dev"

title="check: counts and exit code"
fresh
run ./check
exits 0
called "dpkg-query -W -f=\${db:Status-Abbrev} doctest-dev"
says "100% tests passed, 0 tests failed out of 2"
says "2 passed, 0 failed"
called "-LE full"
touch "$work/test_fails"
run ./check
exits 8
says "1 passed, 1 failed"
rm "$work/test_fails"

title="check --full: slow tests and the scripts for them"
mkdir -p "$work/tree/scripts/full"
printf '#!/bin/sh\nexit 0\n' >"$work/tree/scripts/full/a.sh"
printf '#!/bin/sh\necho reason; exit 5\n' >"$work/tree/scripts/full/b.sh"
chmod +x "$work/tree/scripts/full/a.sh" "$work/tree/scripts/full/b.sh"
run ./check --full
exits 5
called "-L full"
says "[6/6] scripts/full/b.sh"
says "reason"
says "3 passed, 1 failed"

title="check: an unknown option"
run ./check --fast
exits 2
says "unknown option --fast"

[ $failures = 0 ] || { echo "$failures failed"; exit 1; }
echo "all passed"
