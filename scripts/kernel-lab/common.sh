# Shared by the scripts of the kernel laboratory; sourced, not run. Messages go to stderr, results to stdout.

no_mirror="no Debian archive among apt's sources; run apt-get update, or name one with PEERLANE_DEBIAN_MIRROR=URI"
lab_cache="${PEERLANE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/peerlane}"

say() { printf 'kernel-lab: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

# Runs a step and says how long it took: `timed "what" command...`
timed() {
  local what="$1" started=$SECONDS
  shift
  "$@" || { say "$what: failed after $((SECONDS - started)) s"; return 1; }
  say "$what: $((SECONDS - started)) s"
}

need() {
  local tool
  for tool in "$@"; do
    command -v "$tool" > /dev/null || fail "$tool is not installed (.ci/run installs everything the laboratory needs)"
  done
}

# One writer at a time; a second one waits, then finds the work done.
lock_cache() {
  mkdir -p "$lab_cache"
  exec 9> "$lab_cache/lock"
  flock 9
}

# An address for the Debian archive: the first of apt's own sources that serves Debian's main component.
debian_mirror() {
  if [ -n "${PEERLANE_DEBIAN_MIRROR:-}" ]; then
    printf '%s\n' "${PEERLANE_DEBIAN_MIRROR%/}"
    return
  fi
  apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' |
    awk '$2 == "Debian" && $3 !~ /security/ && $4 == "main" && $1 ~ /^(https?|file):/ { sub(/\/$/, "", $1); print $1; exit }'
}

# apt with a state of its own, so that the machine's package lists and sources stay as they are. Signatures and checksums are
# apt's business; proxies and credentials come from the machine's configuration.
lab_apt() {
  local tool="$1" root="$lab_cache/apt"
  shift
  "$tool" -q \
    -o "Dir::State=$root/state" -o "Dir::State::status=$root/status" -o "Dir::Cache=$root/cache" \
    -o "Dir::Etc::SourceList=$root/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
    -o APT::Architecture=amd64 -o APT::Architectures::=amd64 -o APT::Sandbox::User=root \
    -o Acquire::Languages=none -o Acquire::Retries=3 "$@"
}

prepare_lab_apt() {
  local mirror keyring=/usr/share/keyrings/debian-archive-keyring.gpg option=""
  mirror="$(debian_mirror)"
  [ -n "$mirror" ] || fail "$no_mirror"
  [ -e "$keyring" ] && option="[signed-by=$keyring] "
  mkdir -p "$lab_cache/apt/state/lists/partial" "$lab_cache/apt/cache/archives/partial"
  : > "$lab_cache/apt/status"
  printf 'deb %s%s trixie-backports main\n' "$option" "$mirror" > "$lab_cache/apt/sources.list"
  lab_apt apt-get update > "$lab_cache/apt/update.log" 2>&1 && ! grep -qE '^(E|Err|W: Failed)' "$lab_cache/apt/update.log"
}

# A trixie system below the cache, for what the machine's own release is too old for. It is taken to be complete where it exists.
lab_chroot="$lab_cache/chroot/trixie"

make_chroot() {
  local mirror
  mirror="$(debian_mirror)"
  [ -n "$mirror" ] || fail "$no_mirror"
  rm -rf "$lab_chroot.part"
  mkdir -p "$(dirname "$lab_chroot")"
  debootstrap --variant=minbase --include=gcc,make trixie "$lab_chroot.part" "$mirror" > "$lab_cache/debootstrap.log" 2>&1 ||
    fail "debootstrap failed: $(tail -n 1 "$lab_cache/debootstrap.log")"
  printf 'deb %s trixie-backports main\n' "$mirror" > "$lab_chroot.part/etc/apt/sources.list.d/backports.list"
  # The chroot can be made again; waiting for the disk after each package doubles the time.
  echo force-unsafe-io > "$lab_chroot.part/etc/dpkg/dpkg.cfg.d/unsafe-io"
  mv "$lab_chroot.part" "$lab_chroot"
}

# In a mount namespace of its own, so that /proc is gone with the command, whatever happens to it.
in_chroot() {
  unshare --mount sh -c 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"' "$lab_chroot" "$@" < /dev/null
}

# Packages into the chroot, with what apt says in a log: `install_in_chroot LOG apt-get-install-arguments...`
install_in_chroot() {
  local log="$1"
  shift
  # The machine's settings for apt (proxies, dates of a snapshot archive) hold inside too.
  apt-config dump 2> /dev/null | grep -E '^Acquire::(http|https|Check-|Retries)' > "$lab_chroot/etc/apt/apt.conf.d/90host" || true
  # An installation that was interrupted is ended first.
  in_chroot dpkg --configure -a > "$log" 2>&1 && in_chroot apt-get -q update >> "$log" 2>&1 &&
    in_chroot env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "$@" >> "$log" 2>&1
}

# What apt complained about, in one line.
apt_complaint() { grep -m1 '^E:' "$1" || tail -n 1 "$1"; }
