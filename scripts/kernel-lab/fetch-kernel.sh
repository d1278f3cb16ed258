#!/bin/bash
# Fetches a Debian kernel that has CONFIG_PCI_P2PDMA=y into the cache and prints its version.
#
#   fetch-kernel.sh [--series 7.2|7.3|...|newest]      default $PEERLANE_KERNEL_SERIES, else 7.2, which CI pins
#
# Below $PEERLANE_CACHE/kernel: one folder per version with usr/lib/modules/<version>/{vmlinuz,kernel/,modules.dep,config},
# and a file series-<series> that names the version in use. Nothing is installed. Without network a cached kernel is used.
set -euo pipefail
. "$(dirname "$0")/common.sh"

series="${PEERLANE_KERNEL_SERIES:-7.2}"
while [ $# -gt 0 ]; do
  case "$1" in
    --series) series="${2:?--series needs a value, for example 7.2 or newest}"; shift 2 ;;
    *) fail "unknown argument $1" ;;
  esac
done
need apt-get dpkg depmod flock
lock_cache
kernels="$lab_cache/kernel"
mkdir -p "$kernels"

# Versions of the series of which image, modules and configuration are all in the index, newest last. The image of a
# version that Debian has not signed yet is called "unsigned"; QEMU does not mind.
available_versions() {
  local names version
  names="$(lab_apt apt-cache pkgnames linux-)"
  sed -nE 's/^linux-modules-([0-9]+\.[0-9]+\.[0-9]+[^-]*)-amd64$/\1/p' <<< "$names" | sort -V | while read -r version; do
    if [ "$series" != newest ] && [[ "$version" != "$series".* ]]; then continue; fi
    grep -qxF "linux-base-$version-amd64" <<< "$names" || continue
    grep -qxE "linux-binary-(unsigned-)?${version//[.+]/\\&}-amd64" <<< "$names" || continue
    printf '%s-amd64\n' "$version"
  done
}

use_cached() {
  local version
  version="$(cat "$kernels/series-$series" 2> /dev/null || true)"
  [ -n "$version" ] && [ -e "$kernels/$version/complete" ] || fail "$1, and no $series kernel is cached"
  say "$1; using the cached $version"
  printf '%s\n' "$version"
  exit 0
}

# Each step says what went wrong itself: "set -e" does not reach into a function whose status is tested.
fetch() {
  local version="$1" part="$kernels/$1.part" image names deb
  names="$(lab_apt apt-cache pkgnames linux-binary-)"
  image="linux-binary-$version"
  grep -qxF "$image" <<< "$names" || image="linux-binary-unsigned-$version"
  rm -rf "$part"
  mkdir -p "$part/deb"
  (cd "$part/deb" && lab_apt apt-get download "$image" "linux-modules-$version" "linux-base-$version" >&2) || return 1
  for deb in "$part"/deb/*.deb; do
    dpkg -x "$deb" "$part" || return 1
  done
  rm -rf "$part/deb" "$part/usr/share"
  local folder="$part/usr/lib/modules/$version"
  [ -e "$folder/vmlinuz" ] || mv "$folder/vmlinuz.unsigned" "$folder/vmlinuz" || fail "no vmlinuz in the packages of $version"
  grep -qx CONFIG_PCI_P2PDMA=y "$folder/config" || fail "$version is built without CONFIG_PCI_P2PDMA"
  ln -s usr/lib "$part/lib" # where depmod looks
  depmod -b "$part" "$version" || return 1
  [ -s "$folder/modules.dep" ] || fail "depmod wrote no modules.dep for $version"
  touch "$part/complete"
  rm -rf "${kernels:?}/$version"
  mv "$part" "$kernels/$version"
}

timed "package index of trixie-backports" prepare_lab_apt || use_cached "the package index could not be read (see $lab_cache/apt/update.log)"
version="$(available_versions | tail -n 1)"
[ -n "$version" ] || use_cached "trixie-backports holds no $series kernel"
if [ -e "$kernels/$version/complete" ]; then
  say "$version is cached"
else
  timed "fetch of $version" fetch "$version"
fi
printf '%s\n' "$version" > "$kernels/series-$series.part"
mv "$kernels/series-$series.part" "$kernels/series-$series"
printf '%s\n' "$version"
