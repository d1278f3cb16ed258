/** Protection domains, regions and windows, as the program has them. */
import type { DmaMapping } from '../../access/index.ts';
import { ACCESS } from '../../spec/rdma/index.ts';
import type { AccessFlags } from './types.ts';

export class ProtectionDomain {
  readonly handle: number;
  /** What was made in it and still is. */
  users = 0;

  constructor(handle: number) {
    this.handle = handle;
  }
}

export class MemoryRegion {
  readonly pd: ProtectionDomain;
  /** Where it starts, as pieces and remote requests count. */
  readonly addr: number;
  readonly lengthBytes: number;
  readonly lkey: number;
  readonly rkey: number;
  readonly mapping: DmaMapping;
  isValid = true;

  constructor(pd: ProtectionDomain, addr: number, lengthBytes: number, key: number, mapping: DmaMapping) {
    this.pd = pd;
    this.addr = addr;
    this.lengthBytes = lengthBytes;
    this.lkey = key;
    this.rkey = key;
    this.mapping = mapping;
  }
}

/** A window of type 2: bound and unbound by requests of a queue pair. */
export class MemoryWindow {
  readonly pd: ProtectionDomain;
  /** Of the last bind that was posted. */
  rkey: number;

  constructor(pd: ProtectionDomain, rkey: number) {
    this.pd = pd;
    this.rkey = rkey;
  }
}

export function accessBits(flags: AccessFlags): number {
  return (
    (flags.localWrite === true ? ACCESS.LOCAL_WRITE : 0) |
    (flags.remoteWrite === true ? ACCESS.REMOTE_WRITE : 0) |
    (flags.remoteRead === true ? ACCESS.REMOTE_READ : 0) |
    (flags.remoteAtomic === true ? ACCESS.REMOTE_ATOMIC : 0) |
    (flags.mwBind === true ? ACCESS.MW_BIND : 0)
  );
}
