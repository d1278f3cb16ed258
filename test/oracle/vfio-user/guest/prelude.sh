# Goes before every script of these tests; bash, in the host's file system as the guest sees it.
set -u
mkdir -p $LAB/calls $LAB/answers $LAB/out
calls=$(ls $LAB/calls | wc -l)

fail() {
  echo "$*" >&2
  dmesg | tail -n 30 >&2
  exit 1
}

# Until a condition holds; a minute at most.
wait_for() {
  local step
  for ((step = 0; step < 1200; step++)); do
    if eval "$1" > /dev/null 2>&1; then return 0; fi
    sleep 0.05
  done
  fail "in vain: $1"
}

# Asks the test for something and prints the answer: `host NAME WORDS...`.
host() {
  calls=$((calls + 1))
  printf '%s' "$*" > $LAB/calls/$calls.part
  mv $LAB/calls/$calls.part $LAB/calls/$calls
  while [ ! -e $LAB/answers/$calls ]; do sleep 0.02; done
  cat $LAB/answers/$calls
}

# Keeps the output of a command for the test, with its messages and its status: `keep NAME COMMAND...`.
keep() {
  local name=$1 status=0
  shift
  "$@" > $LAB/out/$name 2> $LAB/out/$name.err || status=$?
  echo $status > $LAB/out/$name.status
}

# Drives of the lab are known by their serial numbers, LAB-<name>.
controller() {
  local serial text
  for serial in /sys/class/nvme/nvme*/serial; do
    read -r text < $serial
    if [ "$text" = "LAB-$1" ]; then basename ${serial%/serial}; return 0; fi
  done
  return 1
}
address() { basename "$(readlink -f /sys/class/nvme/$(controller $1)/device)"; }
drive() {
  local name=$(controller $1) || return 1
  name=$(ls /sys/class/nvme/$name | grep -E '^nvme[0-9]+n1$') || return 1
  [ -b /dev/$name ] && echo /dev/$name
}
