/** A lab file becomes a machine that runs. Read `lab-machine.ts` first. */
export { bootFindings } from './boot-findings.ts';
export type { BuiltFunction } from './build.ts';
export type { Bound } from './drivers.ts';
export {
  compareMedia,
  findLabEnd,
  type LabEnd,
  type LabRange,
  labEndMemory,
  labEnds,
  type MediaDifference,
  openLabEnd,
} from './ends.ts';
export {
  type GuestEndpoint,
  GuestMachine,
  type GuestMachineOptions,
  type MappableRange,
} from './guest-machine.ts';
export type { BoundDisk } from './iopmem-disks.ts';
export { type BootOptions, LabMachine, type LabMember } from './lab-machine.ts';
export { type ModelOptions, nameSeed, type Storage } from './models.ts';
export { endpointTiming, labPlatform, mediaTiming } from './timing.ts';
export { type LabTraffic, type LinkTraffic, labTraffic, type TrafficBytes } from './traffic.ts';
