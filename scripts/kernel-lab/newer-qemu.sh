#!/bin/bash
# Prepares a QEMU that has the device vfio-user-pci, and prints the path of the program.
#
#   newer-qemu.sh
#
# QEMU has it since 10.1. Where the installed one is older, trixie-backports' is installed in the trixie chroot below the cache, and
# $PEERLANE_CACHE/bin/qemu-system-x86_64 starts it with the chroot's own dynamic loader: not chrooted, so that paths of sockets,
# images and shared folders are the machine's own.
#
# Beside it, for the guests: nvme-cli of that release and Python in the chroot, and below $PEERLANE_CACHE/nvme-cli-tests the tests
# from nvme-cli's source package, which drive a controller with them (blktests is in no Debian release).
set -euo pipefail
. "$(dirname "$0")/common.sh"

need flock tar xz
lock_cache
program="$lab_cache/bin/qemu-system-x86_64"
tests="$lab_cache/nvme-cli-tests"
log="$lab_cache/newer-qemu.log"

# Asked by name: for the list of all devices QEMU loads all its modules, some of which it would take from the machine's own release.
has_vfio_user() { [[ "$("$1" -device vfio-user-pci,help 2> /dev/null)" == *socket=* ]]; }

# What apt itself does not leave behind when it is interrupted.
is_complete() {
  [ -x "$program" ] && [ -e "$lab_chroot/peerlane-guest-tools" ] && [ -e "$tests/nvme_test.py" ] && has_vfio_user "$program"
}

write_program() {
  mkdir -p "$lab_cache/bin"
  cat > "$program.part" << 'EOF'
#!/bin/sh
# Made by scripts/kernel-lab/newer-qemu.sh: QEMU of another Debian release, by that release's loader and libraries.
root="$(dirname "$(readlink -f "$0")")/../chroot/trixie"
export QEMU_MODULE_DIR="$root/usr/lib/x86_64-linux-gnu/qemu"
exec "$root/usr/lib64/ld-linux-x86-64.so.2" --library-path "$root/usr/lib/x86_64-linux-gnu" --argv0 "$0" \
  "$root/usr/bin/qemu-system-x86_64" -L "$root/usr/share/qemu" -L "$root/usr/share/seabios" "$@"
EOF
  chmod +x "$program.part"
  mv "$program.part" "$program"
}

install_qemu() { install_in_chroot "$log" -t trixie-backports qemu-system-x86; }
install_tools() { install_in_chroot "$log" nvme-cli python3 && touch "$lab_chroot/peerlane-guest-tools"; }

# The tests of the version that is installed. apt checks the source package's signature.
fetch_tests() {
  local version folder=/var/tmp/nvme-cli
  version="$(in_chroot dpkg-query -W -f '${source:Version}' nvme-cli)" || return 1
  rm -rf "${lab_chroot:?}$folder" "$tests.part"
  mkdir -p "$lab_chroot$folder" "$tests.part"
  printf 'deb-src %s trixie main\n' "$(debian_mirror)" > "$lab_chroot/etc/apt/sources.list.d/sources.list"
  in_chroot apt-get -q update > "$log" 2>&1 || return 1
  in_chroot sh -c "cd $folder && apt-get -q source --download-only nvme-cli=$version" >> "$log" 2>&1 || return 1
  tar -C "$tests.part" -xJf "$lab_chroot$folder"/nvme-cli_*.orig.tar.xz --strip-components=2 --wildcards '*/tests/*' || return 1
  rm -rf "${lab_chroot:?}$folder" "$tests"
  mv "$tests.part" "$tests"
}

if is_complete; then
  say "QEMU with vfio-user-pci is cached"
  printf '%s\n' "$program"
  exit 0
fi
[ "$(id -u)" = 0 ] || fail "preparing a newer QEMU needs root, for a chroot"
need debootstrap unshare chroot
[ -e "$lab_chroot" ] || timed "chroot with a compiler" make_chroot
[ -x "$lab_chroot/usr/bin/qemu-system-x86_64" ] || timed "QEMU of trixie-backports" install_qemu ||
  fail "the newer QEMU could not be installed: $(apt_complaint "$log")"
[ -e "$lab_chroot/peerlane-guest-tools" ] || timed "nvme-cli for guests" install_tools ||
  fail "nvme-cli could not be installed in the chroot: $(apt_complaint "$log")"
[ -e "$tests/nvme_test.py" ] || timed "nvme-cli's tests" fetch_tests ||
  fail "the source package of nvme-cli could not be had: $(apt_complaint "$log")"
write_program
has_vfio_user "$program" || fail "$("$program" --version | head -n 1) has no vfio-user-pci"
printf '%s\n' "$program"
