/**
 * Firmware of a simulated machine: enumeration as a BIOS and Linux do it, through config cycles only.
 *
 * It knows nothing of the tree it works on, so it is also what proves that config space answers as it should. Read
 * `firmware.ts` first. Leaves out: expansion ROMs, interrupt lines, prefetchable windows of 32 bits, moving what is already
 * assigned. Follows PCI 3.0 and PCI-to-PCI Bridge 1.2 for addresses, Linux 7.1 for the choices it leaves open.
 */
export { acsUntouched, acsUntrusted, acsWithIommu } from './acs-setup.ts';
export type { AddressRange } from './address-pool.ts';
export type { ConfigCycles } from './config-cycles.ts';
export { assignHotAdded, enumerate } from './firmware.ts';
export type {
  AcsFacts,
  AssignedBar,
  FirmwareFunction,
  FirmwareHostBridge,
  FirmwareMachine,
  FirmwareOptions,
  FirmwareProblem,
  FirmwareReport,
  UnassignedBar,
  UnassignedReason,
} from './report.ts';
