/** A drive in a machine with time, and a host that keeps commands in flight and writes down when each completed. */
import { SeededRandom } from '../../../../src/base/index.ts';
import {
  type MediaTimingOptions,
  NvmeController,
  type NvmeOptions,
} from '../../../../src/devices/nvme/index.ts';
import { NVM_OPCODE } from '../../../../src/spec/nvme/index.ts';
import { BenchHost } from '../bench.ts';

export const BLOCK_BYTES = 4096;
export const US = 1e6;
const WRITTEN_BLOCKS = 2 ** 13;
/** Bits 15:14 of CDW0: the data pointer is an SGL. */
const SGL = 1 << 14;

export interface Load {
  /** Default read. */
  readonly kind?: 'read' | 'write' | 'flush' | 'compare' | 'verify';
  /** Instead of `kind`: this share of the commands reads, the others write. */
  readonly readShare?: number;
  readonly depth: number;
  readonly count: number;
  /** Default 4096. */
  readonly sizeBytes?: number;
  /** Default random. */
  readonly pattern?: 'random' | 'sequential';
  readonly hasFua?: boolean;
  /** Which commands. Default: by `kind` and `pattern`. */
  readonly seed?: number;
}

export interface Outcome {
  readonly elapsedPs: number;
  /** In the order of completion. */
  readonly latenciesPs: readonly number[];
  readonly failures: number;
  readonly iops: number;
  readonly goodputGBs: number;
  readonly meanPs: number;
}

export class TimedDrive {
  readonly model: NvmeController;
  readonly host: BenchHost;
  readonly buffer: number;
  readonly blocks: number;
  #nextBlock = 0;

  constructor(timing: MediaTimingOptions | null, options: NvmeOptions = {}) {
    this.blocks = 2 ** 22;
    this.model = new NvmeController({
      namespaces: [{ sizeBlocks: this.blocks, blockBytes: BLOCK_BYTES }],
      mdts: 8,
      timing,
      ...options,
    });
    this.host = new BenchHost(this.model, 'timed');
    this.host.enable();
    this.host.createQueue(1, 1024);
    this.buffer = this.host.alloc(2 ** 20);
  }

  get nowPs(): number {
    return this.host.port.executor.nowPs;
  }

  /** Puts a command of I/O queue 1 into the queue, without ringing. @returns its identifier */
  push(kind: NonNullable<Load['kind']>, block = 0, blocks = 1, hasFua = false): number {
    const opcode = {
      read: NVM_OPCODE.READ,
      write: NVM_OPCODE.WRITE,
      flush: NVM_OPCODE.FLUSH,
      compare: NVM_OPCODE.COMPARE,
      verify: NVM_OPCODE.VERIFY,
    }[kind];
    const hasData = kind !== 'flush' && kind !== 'verify';
    return this.host.push(1, {
      opcode,
      nsid: 1,
      ...(hasData ? { flags: SGL, prp1: this.buffer, prp2: blocks * BLOCK_BYTES } : {}),
      cdw10: block,
      cdw12: kind === 'flush' ? 0 : ((blocks - 1) | (hasFua ? 0x4000_0000 : 0)) >>> 0,
    });
  }

  /** One command alone. @returns picoseconds from the doorbell to the completion */
  once(kind: NonNullable<Load['kind']>, block = 0, blocks = 1, hasFua = false): number {
    const fromPs = this.nowPs;
    let endPs = -1;
    this.host.port.onInterrupt = (vector) => {
      if (vector === 1) {
        endPs = this.nowPs;
      }
    };
    this.push(kind, block, blocks, hasFua);
    this.host.ring(1);
    this.host.run();
    const found = this.host.reap(1);
    this.host.run();
    if (found.length !== 1 || found[0]!.status !== 0) {
      throw new Error(`a ${kind} did not complete once and well: ${JSON.stringify(found)}`);
    }
    return endPs - fromPs;
  }

  /** Keeps `depth` commands in flight until `count` have completed. */
  run(load: Load): Outcome {
    const { host } = this;
    const blocks = (load.sizeBytes ?? BLOCK_BYTES) / BLOCK_BYTES;
    const random = new SeededRandom(load.seed ?? 7);
    const startedPs = new Map<number, number>();
    const latenciesPs: number[] = [];
    let failures = 0;
    let issued = 0;
    const fromPs = this.nowPs;
    const issue = (): void => {
      const isRead = load.readShare === undefined ? undefined : random.fraction() < load.readShare;
      const kind = isRead === undefined ? (load.kind ?? 'read') : isRead ? 'read' : 'write';
      // Reads find any die; writes stay where few bytes have to be stored.
      const slots = Math.floor((kind === 'write' ? WRITTEN_BLOCKS : this.blocks) / blocks);
      const place = load.pattern === 'sequential' ? this.#nextBlock++ % slots : random.below(slots);
      startedPs.set(this.push(kind, place * blocks, blocks, load.hasFua), this.nowPs);
      issued++;
    };
    host.port.onInterrupt = (vector) => {
      if (vector !== 1) {
        return;
      }
      for (const { cid, status } of host.reap(1)) {
        latenciesPs.push(this.nowPs - startedPs.get(cid)!);
        startedPs.delete(cid);
        failures += status === 0 ? 0 : 1;
        if (issued < load.count) {
          issue();
        }
      }
      host.ring(1);
    };
    for (let i = 0; i < Math.min(load.depth, load.count); i++) {
      issue();
    }
    host.ring(1);
    host.run();
    host.port.onInterrupt = () => {};
    if (startedPs.size > 0 || latenciesPs.length !== load.count) {
      throw new Error(`${startedPs.size} commands did not complete, ${latenciesPs.length} did`);
    }
    const elapsedPs = this.nowPs - fromPs;
    return {
      elapsedPs,
      latenciesPs,
      failures,
      iops: (load.count * 1e12) / elapsedPs,
      goodputGBs: (load.count * blocks * BLOCK_BYTES * 1000) / elapsedPs,
      meanPs: latenciesPs.reduce((sum, one) => sum + one, 0) / load.count,
    };
  }
}
