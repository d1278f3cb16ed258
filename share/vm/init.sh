#!/peerlane/busybox sh
# First process of a virtual machine that `peerlane lab FILE vm -- COMMAND` starts: loads modules, runs the command, leaves its
# status in the shared folder, powers off. What the command prints goes to the shared folder; the console is the kernel's.
bb=/peerlane/busybox
$bb mkdir -p /proc /sys /dev /tmp /peerlane/share /peerlane/host /peerlane/bin
$bb --install -s /peerlane/bin
export PATH=/peerlane/bin HOME=/tmp

end() {
  sync
  poweroff -f
}
give_up() {
  echo "peerlane: $*" > /dev/console
  end
}

# The NVMe driver probes in the background. Ends when every controller works, or after 300 steps: then the command finds out.
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
}

mount -t proc proc /proc 2> /dev/null
mount -t sysfs sysfs /sys 2> /dev/null
mount -t devtmpfs dev /dev 2> /dev/null
while read -r module; do
  insmod "/peerlane/modules/$module" || echo "peerlane: insmod $module failed" > /dev/console
done < /peerlane/modules/order

mount -t 9p -o trans=virtio,version=9p2000.L,cache=none,msize=262144 share /peerlane/share ||
  give_up "the shared folder cannot be mounted: the kernel needs 9p and 9pnet_virtio, built in or among its modules"
steps=0
while [ $steps -lt 300 ] && ! drives_settled; do
  usleep 50000
  steps=$((steps + 1))
done
# Block devices come a moment after their controller.
usleep 100000

share=/peerlane/share
if [ "$(cat $share/root)" = host ]; then
  root=/peerlane/host
  mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=1048576 host $root ||
    give_up "the files of the host cannot be mounted"
  mount -t proc proc $root/proc
  mount -t sysfs sysfs $root/sys
  mount -t devtmpfs dev $root/dev
  mkdir -p $root/dev/pts $root/dev/shm
  mount -t devpts devpts $root/dev/pts 2> /dev/null
  mount -t tmpfs tmpfs $root/dev/shm
  # Programs want a /tmp to write to. A working directory below the host's own /tmp must stay visible all the same.
  folder=$(cat $share/folder)
  case $folder in
    /tmp/*)
      mkdir -p /peerlane/folder
      mount --bind "$root$folder" /peerlane/folder || give_up "$folder is not there"
      mount -t tmpfs tmpfs $root/tmp
      mkdir -p "$root$folder"
      mount --bind /peerlane/folder "$root$folder"
      ;;
    *) mount -t tmpfs tmpfs $root/tmp ;;
  esac
  mkdir -p $root/tmp/peerlane
  mount --bind $share $root/tmp/peerlane
  export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  chroot $root /bin/sh /tmp/peerlane/run.sh > $share/stdout 2> $share/stderr < /dev/null
else
  export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/peerlane/bin
  $bb sh $share/run.sh > $share/stdout 2> $share/stderr < /dev/null
fi
# Written last and moved into place: where it exists, everything before it is complete.
code=$?
export PATH=/peerlane/bin
echo $code > $share/status.part
mv $share/status.part $share/status
end
