#!/bin/busybox sh
# First process of the laboratory's virtual machine: load modules, run /lab/run.sh, leave its status in /lab, power off.
# Everything that counts goes through the shared folder /lab; the console holds only noise and, on failure, clues.
/bin/busybox mkdir -p /proc /sys /dev /tmp /lab /host
/bin/busybox --install -s /bin
export PATH=/bin HOME=/tmp

end() {
  sync
  poweroff -f
}
give_up() {
  echo "lab: $*" > /dev/console
  end
}

# The NVMe driver probes in the background. Ends when every controller works and every drive is a block device, or after 300
# steps: then the script finds out what is missing.
drives_settled() {
  [ -d /sys/module/nvme ] || return 0
  for class in /sys/bus/pci/devices/*/class; do
    read -r code < "$class"
    [ "$code" = 0x010802 ] || continue
    state=
    for file in "${class%/class}"/nvme/nvme*/state; do
      [ -e "$file" ] && read -r state < "$file"
    done
    [ "$state" = live ] || return 1
  done
  set -- /dev/nvme*n1
  [ -e "$1" ] || set --
  [ $# -ge "$(wc -l < /lab/drives)" ]
}

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
while read -r module; do
  insmod "/modules/$module" || echo "lab: insmod $module failed" > /dev/console
done < /modules/order

mount -t 9p -o trans=virtio,version=9p2000.L,cache=none,msize=262144 lab /lab || give_up "the shared folder cannot be mounted"
steps=0
while [ $steps -lt 300 ] && ! drives_settled; do
  usleep 50000
  steps=$((steps + 1))
done
[ $steps -lt 300 ] || echo "lab: not every NVMe controller and drive is ready" > /dev/console
run="sh /lab/run.sh"
if grep -q '^host ' /lab/mounts 2> /dev/null; then
  mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=1048576 host /host ||
    give_up "the host's files cannot be mounted"
  mount -t proc proc /host/proc
  mount -t sysfs sysfs /host/sys
  mount -t devtmpfs dev /host/dev
  # Programs want a /tmp to write to. A checkout below the host's own /tmp must stay visible all the same.
  checkout=$(cat /lab/checkout)
  mkdir /checkout
  mount --bind "/host$checkout" /checkout || give_up "the checkout $checkout is not there"
  mount -t tmpfs tmp /host/tmp
  case $checkout in /tmp/*) mkdir -p "/host$checkout" && mount --bind /checkout "/host$checkout" ;; esac
  mkdir /host/tmp/lab
  mount --bind /lab /host/tmp/lab
  export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  run="/bin/chroot /host /bin/bash /tmp/lab/run.sh"
  export LAB=/tmp/lab
else
  export LAB=/lab
fi

$run > /lab/stdout 2> /lab/stderr < /dev/null
# Written last and moved into place: where it exists, everything before it is complete.
echo $? > /lab/status.part
mv /lab/status.part /lab/status
end
