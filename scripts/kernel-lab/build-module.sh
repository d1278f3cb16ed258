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
mkdir -p "$lab_cache"
lock_cache

if [ -e "$result/peerlane_verdicts.ko" ]; then
  say "the module for $version is cached"
  printf '%s\n' "$result/peerlane_verdicts.ko"
  exit 0
fi
[ "$(id -u)" = 0 ] || fail "building the test module needs root, for a chroot with the kernel's headers"
need debootstrap unshare chroot strip

build() {
  local inside="/build/$version-$hash"
  rm -rf "${lab_chroot:?}$inside"
  mkdir -p "$lab_chroot$inside"
  cp "$source/Makefile" "$source/peerlane_verdicts.c" "$lab_chroot$inside/"
  in_chroot make -s -C "/lib/modules/$version/build" "M=$inside" modules > "$lab_cache/module.log" 2>&1 ||
    { tail -n 20 "$lab_cache/module.log" >&2; return 1; }
  in_chroot strip --strip-debug "$inside/peerlane_verdicts.ko" || return 1
  mkdir -p "$result"
  cp "$lab_chroot$inside/peerlane_verdicts.ko" "$result/peerlane_verdicts.ko.part" || return 1
  mv "$result/peerlane_verdicts.ko.part" "$result/peerlane_verdicts.ko"
}

[ -e "$lab_chroot" ] || timed "chroot with a compiler" make_chroot
if [ ! -e "$lab_chroot/lib/modules/$version/build/Module.symvers" ]; then
  timed "headers of $version" install_in_chroot "$lab_cache/headers.log" "linux-headers-$version" || {
    # An interrupted installation may be beyond repair; the next run starts from nothing.
    rm -rf "$lab_chroot"
    fail "the headers of $version could not be installed: $(apt_complaint "$lab_cache/headers.log")"
  }
fi
timed "test module" build || fail "the test module does not compile against $version (see $lab_cache/module.log)"
printf '%s\n' "$result/peerlane_verdicts.ko"
