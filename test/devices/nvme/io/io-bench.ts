/** The data path with the I/O commands on top, and commands by name. */

import type { Command } from '../../../../src/devices/nvme/command.ts';
import { IoCommands } from '../../../../src/devices/nvme/io/index.ts';
import { Namespace, type NamespaceSetup } from '../../../../src/devices/nvme/media/index.ts';
import type { NamespaceOptions } from '../../../../src/devices/nvme/options.ts';
import { PENDING } from '../../../../src/fabric/index.ts';
import { NVM_OPCODE } from '../../../../src/spec/nvme/index.ts';
import { Bench, type BenchSetup, dwords, HOST_BASE } from '../data/bench.ts';

export interface IoFields {
  readonly opcode: keyof typeof NVM_OPCODE;
  readonly nsid?: number;
  readonly slba?: number;
  /** Default 1. */
  readonly blocks?: number;
  /** Where the data are in host memory, one contiguous buffer by SGL; default 0. */
  readonly data?: number;
  readonly dataBytes?: number;
  readonly metadata?: number;
  /** Bits of CDW12 above NLB. */
  readonly flags?: number;
  readonly prinfo?: number;
  /** Low 32 bits of the tags. */
  readonly tag?: number;
  readonly applicationTag?: number;
  readonly applicationMask?: number;
  /** Whole dwords, last. */
  readonly dwords?: Readonly<Record<number, number>>;
}

export class IoBench extends Bench {
  readonly io: IoCommands;

  constructor(setup: BenchSetup, namespaces: readonly (NamespaceOptions & Partial<NamespaceSetup>)[] = []) {
    super(setup);
    this.io = new IoCommands(this, this.data, this.pool.slots);
    for (const [index, options] of namespaces.entries()) {
      const nsid = options.nsid ?? index + 1;
      const { backing, tracksPowerLoss, ...rest } = options;
      this.namespaces.set(
        nsid,
        new Namespace({
          nsid,
          options: rest,
          seed: 5,
          ...(backing === undefined ? {} : { backing }),
          ...(tracksPowerLoss === undefined ? {} : { tracksPowerLoss }),
        }),
      );
    }
  }

  make(fields: IoFields): Command {
    const [slbaLow, slbaHigh] = dwords(fields.slba ?? 0);
    const [low, high] = dwords(HOST_BASE + (fields.data ?? 0));
    const [metadataLow, metadataHigh] = dwords(HOST_BASE + (fields.metadata ?? 0));
    const isSgl = fields.dataBytes !== undefined;
    return this.command({
      0: NVM_OPCODE[fields.opcode] + (isSgl ? 1 << 14 : 0),
      1: fields.nsid ?? 1,
      4: metadataLow,
      5: metadataHigh,
      6: low,
      7: high,
      8: isSgl ? fields.dataBytes! : low + 4096,
      9: isSgl ? 0 : high,
      10: slbaLow,
      11: slbaHigh,
      12: (((fields.blocks ?? 1) - 1) | ((fields.prinfo ?? 0) << 26) | (fields.flags ?? 0)) >>> 0,
      14: fields.tag ?? 0,
      15: (((fields.applicationMask ?? 0) << 16) | (fields.applicationTag ?? 0)) >>> 0,
      ...fields.dwords,
    });
  }

  /** Executes one command to its end. */
  run(fields: IoFields): { status: number; dw0: number; dnr: boolean; errorLba: number } {
    const command = this.make(fields);
    const before = this.completed.length;
    if (this.io.execute(command) === PENDING) {
      this.port.run();
      if (this.completed.length !== before + 1 || this.completed.at(-1) !== command) {
        throw new Error('a pending command did not complete exactly once');
      }
    } else if (this.completed.length !== before) {
      throw new Error('a command that was done completed once more');
    }
    const { status, dw0, dnr, errorLba } = command;
    this.pool.release(command);
    return { status, dw0, dnr, errorLba };
  }

  host(offset: number, lengthBytes: number): Uint8Array {
    return this.port.host.flat!.subarray(offset, offset + lengthBytes);
  }
}
