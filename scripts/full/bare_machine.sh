#!/bin/sh
# The proof that nothing is taken for granted: ./quickstart and ./check in minimal Debian 12 roots (no compiler, curl, git,
# make or sudo), from a tarball, as root in one and as a user with sudo in another; in a third, without either, the line
# for the administrator. Wants root, debootstrap, git and a network; BARE_ROOT keeps the roots' common base between runs,
# BARE_TARBALL is used instead of the last commit, BARE_OPTIONS is handed to quickstart. The transcripts are left in build/logs/
# (BARE_LOGS).
set -eu
cd "$(dirname "$0")/../.."
if [ "$(id -u)" != 0 ] || ! command -v debootstrap >/dev/null || ! command -v git >/dev/null; then
  echo "not run: this needs root, debootstrap and git"
  exit 0
fi
work=$(mktemp -d)
logs=${BARE_LOGS:-$PWD/build/logs}
mkdir -p "$logs"
unmount() { for root in "$work"/*/; do umount "$root"proc "$root"dev 2>/dev/null || :; done; }
trap 'unmount; rm -rf --one-file-system "$work"' EXIT
if [ -n "${BARE_TARBALL:-}" ]; then
  cp "$BARE_TARBALL" "$work/unfold.tar.gz"
else
  git archive --format=tar.gz --prefix=unfold/ -o "$work/unfold.tar.gz" HEAD
fi

# The mirror, the proxy and the certificates are those of this machine.
# shellcheck disable=SC2016 # apt's own variable
mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Codename: bookworm' 'Component: main' 2>/dev/null | head -n 1)
: "${mirror:=http://deb.debian.org/debian}"
base=${BARE_ROOT:-$work/base}
if [ ! -e "$base/etc/debian_version" ]; then
  debootstrap --variant=minbase bookworm "$base" "$mirror" >"$logs/debootstrap.log" 2>&1 || {
    tail -n 20 "$logs/debootstrap.log"
    exit 1
  }
fi

# new_root NAME: a copy of the base with the network of this machine.
new_root() {
  root=$work/$1
  cp -a "$base" "$root"
  cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
  apt-config dump | grep -i '^Acquire::.*\(proxy\|verify-\|CaInfo\)' >"$root/etc/apt/apt.conf.d/99host" || :
  if [ -d /usr/local/share/ca-certificates ]; then
    mkdir -p "$root/usr/local/share/ca-certificates"
    cp -a /usr/local/share/ca-certificates/. "$root/usr/local/share/ca-certificates/"
  fi
  rm -rf "$root"/var/lib/apt/lists/* # as in the images that people start from
  mount -t proc proc "$root/proc"
  mount --bind /dev "$root/dev"
}

# in_root USER COMMAND: with an environment as bare as the rest.
in_root() {
  user=$1
  shift
  home=/root
  [ "$user" = root ] || home=/home/$user
  chroot "$root" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME="$home" TERM=dumb \
    ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
    su "$user" -s /bin/sh -c "$*"
}

# transcript TITLE USER COMMAND: shows and keeps what it prints and how long it took; its exit code goes to `code`.
transcript() {
  title=$1
  shift
  begin=$(date +%s)
  printf '\n== %s: %s\n' "$title" "$2"
  in_root "$@" >"$logs/bare-$title.log" 2>&1 </dev/null && code=0 || code=$?
  cat "$logs/bare-$title.log"
  printf '== exit code %s, %s s, the root has %s MB\n' "$code" "$(($(date +%s) - begin))" \
    "$(du -smx "$root" | cut -f 1)"
}
wanted() { [ "$code" = "$1" ] || { echo "error: wanted exit code $1"; exit 1; }; }

new_root root
for tool in sudo curl git make g++ cmake python3 npm; do
  ! in_root root "command -v $tool" >/dev/null || { echo "error: $tool is in the bare root"; exit 1; }
done
tar -C "$root/root" -xzf "$work/unfold.tar.gz"
transcript root-quickstart root "cd ~/unfold && ./quickstart ${BARE_OPTIONS:-}"
wanted 0
transcript root-quickstart-again root "cd ~/unfold && ./quickstart --epochs 1"
wanted 0
transcript root-predict root "cd ~/unfold && build/unfold predict examples/digits/7.png"
wanted 0
transcript root-check root "cd ~/unfold && ./check"
wanted 0
umount "$root/proc" "$root/dev"

new_root nobody-helps
in_root root "useradd --create-home --shell /bin/sh user"
tar -C "$root/home/user" -xzf "$work/unfold.tar.gz"
in_root root "chown -R user:user /home/user"
transcript no-sudo-quickstart user "cd ~/unfold && ./quickstart"
wanted 1
grep -q 'apt-get install' "$logs/bare-no-sudo-quickstart.log"
umount "$root/proc" "$root/dev"

new_root sudo
in_root root "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends sudo" >"$logs/bare-sudo.log" 2>&1
in_root root "useradd --create-home --shell /bin/sh user && echo 'user ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/user"
tar -C "$root/home/user" -xzf "$work/unfold.tar.gz"
in_root root "chown -R user:user /home/user"
transcript sudo-check user "cd ~/unfold && ./check"
wanted 0
transcript sudo-quickstart user "cd ~/unfold && ./quickstart ${BARE_OPTIONS:-}"
wanted 0
echo "the bare machines work"
