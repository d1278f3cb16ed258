/**
 * `udevadm info --export-db` to a `Machine`: the paths are the kernel's own tree, VMD domains included.
 *
 * Leaves out on purpose: everything below a device but its names. An export has no registers, links or BARs. Follows
 * udevadm(8) and the uevents of Linux drivers/pci/pci-driver.c, pci_uevent. Read `read-udev.ts` first.
 */
export { readUdev } from './read-udev.ts';
