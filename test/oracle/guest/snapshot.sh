# Packs what the verdict depends on into a tar: sh snapshot.sh OUT.tar. Layout: sys/... and proc/..., as on a live machine.
#
# Only named attributes are read. sysfs says that each of its files is 4096 bytes long, so tar must not read it directly.
# In an emulated machine each process costs milliseconds: loops use what the shell itself can do, copies are one `cp` a folder.
out="$1"
snap=/tmp/snapshot
attributes="class vendor device revision subsystem_vendor subsystem_device subsystem driver config resource irq enable
  numa_node local_cpulist current_link_speed current_link_width max_link_speed max_link_width reset_method iommu_group iommu
  physfn virtfn0 virtfn1 virtfn2 sriov_numvfs sriov_totalvfs secondary_bus_number subordinate_bus_number dma_mask_bits
  consistent_dma_mask_bits ari_enabled msi_bus modalias
  power_state removable size available published cpulist type reserved_regions"

# Copies the named entries of each folder that is listed; links stay links.
copy_attributes() {
  while read -r folder; do
    cd "$folder" || continue
    set --
    for name in $attributes; do
      if [ -e "$name" ] || [ -L "$name" ]; then set -- "$@" "$name"; fi
    done
    [ $# -gt 0 ] && cp -P "$@" "$snap$folder/" 2> /dev/null
    # It can only be mapped, never read; that it exists is what counts.
    [ -e allocate ] && : > "$snap$folder/allocate"
  done
}

# Links by which a device is found, for example sys/bus/pci/devices/*.
copy_links() {
  for folder in "$@"; do
    set --
    for link in "$folder"/*; do [ -L "$link" ] && set -- "$@" "$link"; done
    [ $# -gt 0 ] && mkdir -p "$snap$folder" && cp -P "$@" "$snap$folder/"
  done
}

find /sys/devices/pci* -type d \( -name power -o -name 'wakeup*' -o -name 'usb[0-9]*' -o -name 'virtio[0-9]*' -o -name '*:pcie[0-9]*' \) \
  -prune -o -type d \( -name '????:??:??.?' -o -name p2pmem -o -name 'nvme[0-9]*' -o -path '*/net/eth*' \) -print > /tmp/folders
find /sys/devices/system/node/node* /sys/kernel/iommu_groups/* -maxdepth 0 -type d >> /tmp/folders 2> /dev/null
mkdir -p "$snap/proc/bus/pci" "$snap/proc/sys/kernel" "$snap/sys/class/dmi/id"
sed "s|^|$snap|" /tmp/folders | xargs mkdir -p
copy_attributes < /tmp/folders
copy_links /sys/bus/pci/devices /sys/bus/virtio/devices /sys/class/nvme /sys/class/net /sys/class/scsi_host /sys/class/iommu \
  /sys/kernel/iommu_groups/*/devices
for file in /proc/cpuinfo /proc/cmdline /proc/version /proc/bus/pci/devices /proc/sys/kernel/osrelease \
  /sys/class/dmi/id/product_name /sys/class/dmi/id/sys_vendor; do
  cp "$file" "$snap$file"
done
# Into memory first: tar writes half kilobytes, and each write to a shared folder is a round trip to the host.
tar -c -f /tmp/snapshot.tar -C "$snap" sys proc
cp /tmp/snapshot.tar "$out"
