/**
 * What an operating system shows of a booted machine: its sysfs and procfs as files in memory, and its config spaces as
 * `lspci -xxxx` prints them.
 *
 * Everything about a function comes from its config space, read through config cycles; the rest is what only the operating
 * system knows (`SysfsState`). Works on a `MachineSide` alone, so a fake one does for tests. Leaves out on purpose: building or
 * booting a machine, and every file that `topology` does not read, but for the few that lspci needs.
 *
 * Follows Linux Documentation/ABI/testing/sysfs-bus-pci and what the running kernels of `test/golden` wrote. Read
 * `sysfs-state.ts` first.
 */
export { lspciHex } from './lspci-hex.ts';
export { measureFunction, measureResources, type SizedResource } from './sized-resource.ts';
export type { FunctionState, PeerMemoryState, SysfsState, VmdPlace } from './sysfs-state.ts';
export { sysfsEntries, sysfsTree } from './sysfs-tree.ts';
