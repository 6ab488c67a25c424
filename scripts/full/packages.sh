#!/bin/sh
# The .tar.gz and the .deb of a finished build (build/, or PACKAGE_BUILD): made, looked at, and tried. The first is
# unpacked as a user without rights, in a folder with a space in its name, and has to predict and to check an exercise
# with no library of the system but the C library's; of the second lintian has nothing bad to say, where it is there.
set -eu
cd "$(dirname "$0")/../.."
build=$(cd "${PACKAGE_BUILD:-build}" && pwd)
sources=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
fail() { echo "error: $*" >&2; exit 1; }

# as_user COMMAND...: without rights, where this is root.
as_user() {
  if [ "$(id -u)" = 0 ]; then
    setpriv --reuid=65534 --regid=65534 --clear-groups env HOME="$here" "$@"
  else
    env HOME="$here" "$@"
  fi
}

for generator in TGZ DEB; do
  (cd "$build" && cpack -G "$generator" -B "$work/packages") || fail "cpack -G $generator"
done

echo "== the .tar.gz"
here="$work/a folder of a student's"
mkdir "$here"
[ "$(id -u)" != 0 ] || chown 65534:65534 "$here"
as_user tar -C "$here" -xzf "$work"/packages/unfold-*.tar.gz
root=$(echo "$here"/unfold-*)
for part in bin/unfold lib/libunfold_core.a include/unfold/im2col.h share/doc/unfold/README.md share/doc/unfold/LICENSE \
  share/doc/unfold/copyright share/doc/unfold/docs/guide/README.md share/doc/unfold/examples/im2col.cpp \
  share/doc/unfold/exercises/2_im2col.cpp share/doc/unfold/exercises/solutions/2_im2col.cpp; do
  [ -s "$root/$part" ] || fail "$part is not in the package"
done
echo "the program needs:"
ldd "$root/bin/unfold" | tee "$work/needs"
if grep 'not found' "$work/needs"; then fail "a library is missing"; fi
if grep -v -e "$root" -e 'linux-vdso' -e 'ld-linux' -e '/lib\(c\|m\|dl\|rt\|pthread\)[.]so' "$work/needs"; then
  fail "these libraries are not in the package"
fi
libraries=$(find "$root/lib" -maxdepth 1 -type f -name '*.so*' | wc -l)
licences=$(find "$root/share/doc/unfold/licences" -type f -size +0 | wc -l)
[ "$libraries" = "$licences" ] || fail "$libraries libraries are in the package, $licences licences"
cd "$here"
as_user "$root/bin/unfold" --version
as_user "$root/bin/unfold" train --data strokes --epochs 1 --out run -q
as_user "$root/bin/unfold" predict run "$root/share/doc/unfold/examples/digits/7.png" | tee "$work/predicted"
grep -q '7.png: [0-9] (' "$work/predicted" || fail "no prediction"
as_user "$root/bin/unfold" exercise 2
as_user "$root/bin/unfold" exercise 2 "$root/share/doc/unfold/exercises/solutions/2_im2col.cpp"
code=0
as_user "$root/bin/unfold" exercise 2 2_im2col.cpp || code=$?
[ "$code" = 6 ] || fail "wanted code 6 for an empty exercise, got $code"
cd "$sources"

echo "== the .deb"
deb=$(echo "$work"/packages/unfold_*.deb)
dpkg-deb --info "$deb"
depends=$(dpkg-deb --field "$deb" Depends)
for needed in libc6 libstdc++6 libhwy1 libpng16 libjpeg zlib1g; do
  case $depends in *"$needed"*) ;; *) fail "the .deb does not depend on $needed: $depends" ;; esac
done
dpkg-deb --extract "$deb" "$work/deb"
"$work/deb/usr/bin/unfold" --version
[ -s "$work/deb/usr/share/doc/unfold/copyright" ] || fail "no copyright in the .deb"
if readelf -d "$work/deb/usr/bin/unfold" | grep -i 'r.*path'; then fail "the .deb's program has a search path"; fi
if command -v lintian >/dev/null; then
  lintian --allow-root --fail-on error "$deb" || fail "lintian found errors"
else
  echo "lintian is not installed: not run"
fi
ls -l "$work/packages"
echo "the packages work"
