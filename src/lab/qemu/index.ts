/**
 * A lab as a virtual machine: QEMU's command line for it, what QEMU changes, and the lab as QEMU will really show it, so that
 * verdicts for the simulated machine can be held against those of a real kernel. Devices are models of QEMU 7.2, or Peerlane's
 * own, which QEMU 10.1 and newer attach over vfio-user.
 *
 * Leaves out on purpose: starting QEMU, a kernel and what runs in the guest. Read `export-lab.ts` first: it makes the lab that
 * QEMU can build; `qemu-command.ts` only writes it down.
 */
export { asExported } from './export-lab.ts';
export { type QemuCommand, type QemuOptions, qemuCommand } from './qemu-command.ts';
