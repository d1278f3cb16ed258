#!/bin/bash
# Builds the test module of test/oracle/module for a fetched kernel and prints the path of the .ko.
#
#   build-module.sh VERSION                            as fetch-kernel.sh printed it
#
# The kernel's headers need a newer C library than older Debian releases have, so they are installed with a compiler in a
# trixie chroot below the cache. Results are cached by kernel version and by the module's source.
set -euo pipefail
. "$(dirname "$0")/common.sh"

version="${1:?usage: build-module.sh VERSION}"
source="$(cd "$(dirname "$0")/../../test/oracle/module" && pwd)"
hash="$(cat "$source/Makefile" "$source/peerlane_verdicts.c" | sha256sum | cut -c1-12)"
result="$lab_cache/module/$version-$hash"
chroot="$lab_cache/chroot/trixie"
mkdir -p "$lab_cache"
lock_cache

if [ -e "$result/peerlane_verdicts.ko" ]; then
  say "the module for $version is cached"
  printf '%s\n' "$result/peerlane_verdicts.ko"
  exit 0
fi
[ "$(id -u)" = 0 ] || fail "building the test module needs root, for a chroot with the kernel's headers"
need debootstrap unshare chroot strip

make_chroot() {
  local mirror
  mirror="$(debian_mirror)"
  [ -n "$mirror" ] || fail "$no_mirror"
  rm -rf "$chroot.part"
  mkdir -p "$(dirname "$chroot")"
  debootstrap --variant=minbase --include=gcc,make trixie "$chroot.part" "$mirror" > "$lab_cache/debootstrap.log" 2>&1 ||
    fail "debootstrap failed: $(tail -n 1 "$lab_cache/debootstrap.log")"
  printf 'deb %s trixie-backports main\n' "$mirror" > "$chroot.part/etc/apt/sources.list.d/backports.list"
  # The chroot can be made again; waiting for the disk after each package doubles the time.
  echo force-unsafe-io > "$chroot.part/etc/dpkg/dpkg.cfg.d/unsafe-io"
  mv "$chroot.part" "$chroot"
}

# In a mount namespace of its own, so that /proc is gone with the command, whatever happens to it.
in_chroot() {
  unshare --mount sh -c 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"' "$chroot" "$@" < /dev/null
}

install_headers() {
  # The machine's settings for apt (proxies, dates of a snapshot archive) hold inside too.
  apt-config dump 2> /dev/null | grep -E '^Acquire::(http|https|Check-|Retries)' > "$chroot/etc/apt/apt.conf.d/90host" || true
  in_chroot apt-get -q update > "$lab_cache/headers.log" 2>&1 &&
    in_chroot env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "linux-headers-$version" \
      >> "$lab_cache/headers.log" 2>&1
}

build() {
  local inside="/build/$version-$hash"
  rm -rf "${chroot:?}$inside"
  mkdir -p "$chroot$inside"
  cp "$source/Makefile" "$source/peerlane_verdicts.c" "$chroot$inside/"
  in_chroot make -s -C "/lib/modules/$version/build" "M=$inside" modules > "$lab_cache/module.log" 2>&1 ||
    { tail -n 20 "$lab_cache/module.log" >&2; return 1; }
  in_chroot strip --strip-debug "$inside/peerlane_verdicts.ko" || return 1
  mkdir -p "$result"
  cp "$chroot$inside/peerlane_verdicts.ko" "$result/peerlane_verdicts.ko.part" || return 1
  mv "$result/peerlane_verdicts.ko.part" "$result/peerlane_verdicts.ko"
}

[ -e "$chroot" ] || timed "chroot with a compiler" make_chroot
if [ ! -e "$chroot/lib/modules/$version/build/Module.symvers" ]; then
  timed "headers of $version" install_headers || {
    # An interrupted installation may be beyond repair; the next run starts from nothing.
    rm -rf "$chroot"
    fail "the headers of $version could not be installed: $(grep -m1 '^E:' "$lab_cache/headers.log" || tail -n 1 "$lab_cache/headers.log")"
  }
fi
timed "test module" build || fail "the test module does not compile against $version (see $lab_cache/module.log)"
printf '%s\n' "$result/peerlane_verdicts.ko"
