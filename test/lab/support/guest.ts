/** A guest for a `GuestMachine`: memory, config writes as a kernel makes them, and the plainest driver of NVMe. */
import { Dram, Memory, PAGE_BYTES, type RemoteMemory, readBar, writeBar } from '../../../src/fabric/index.ts';
import {
  type GuestEndpoint,
  GuestMachine,
  type GuestMachineOptions,
  parseLab,
} from '../../../src/lab/index.ts';
import {
  ACQ,
  ADMIN_OPCODE,
  AQA,
  ASQ,
  CC,
  CDW0,
  CMBMSC,
  CQE_BYTES,
  CSTS,
  doorbellOffset,
  NVM_OPCODE,
  SQE_BYTES,
  statusOfWord,
} from '../../../src/spec/nvme/index.ts';
import { MSIX_MESSAGE_CONTROL } from '../../../src/spec/pci/index.ts';

export const RAM_BYTES = 64 << 20;
const ENTRIES = 16;
const BAR_START = 0x10_0000_0000;

export interface GuestCommand {
  readonly opcode: number;
  readonly nsid?: number;
  readonly prp1?: number;
  readonly prp2?: number;
  readonly cdw10?: number;
  readonly cdw11?: number;
  readonly cdw12?: number;
}

interface Queue {
  readonly sq: number;
  readonly cq: number;
  tail: number;
  head: number;
  phase: number;
}

/** The guest's machine: RAM from address 0 on, and where it puts BARs. */
export class Guest {
  readonly machine: GuestMachine;
  readonly ram = Memory.flat(RAM_BYTES);
  readonly interrupts: string[] = [];
  #nextRam = 0x10_0000;
  #nextBar = BAR_START;

  constructor(
    text: string,
    options: { readonly remote?: RemoteMemory } & Partial<Pick<GuestMachineOptions, 'shareMemory'>> = {},
  ) {
    const dram = new Dram([{ numaNode: 0, start: 0, lengthBytes: RAM_BYTES + (1 << 20) }]);
    // The first page of it is never given out.
    const region = dram.allocate(this.ram, PAGE_BYTES, null, Number.POSITIVE_INFINITY);
    this.ramStart = region.start;
    this.machine = new GuestMachine(parseLab(text, 'guest.yaml'), {
      openImage: () => {
        throw new Error('there are no images here');
      },
      codec: null,
      memory: dram,
      remote: options.remote ?? null,
      ...(options.shareMemory === undefined ? {} : { shareMemory: options.shareMemory }),
    });
    for (const { name, fn } of this.machine.endpoints) {
      fn.interruptDelivery = {
        message: (mode, vector) => this.interrupts.push(`${name} ${mode} ${vector}`),
        pin: (isAsserted) => this.interrupts.push(`${name} pin ${isAsserted}`),
      };
    }
  }

  readonly ramStart: number;

  /** Address of free memory. */
  alloc(lengthBytes: number): number {
    const at = this.#nextRam;
    this.#nextRam += Math.ceil(lengthBytes / PAGE_BYTES) * PAGE_BYTES;
    return this.ramStart + at;
  }

  bytes(addr: number, lengthBytes: number): Uint8Array {
    const at = addr - this.ramStart;
    return this.ram.flat!.subarray(at, at + lengthBytes);
  }

  endpoint(name: string): GuestEndpoint {
    return this.machine.endpoint(name)!;
  }

  /** As whoever serves does with a write that comes from the guest. */
  configWrite(endpoint: GuestEndpoint, offset: number, lengthBytes: 1 | 2 | 4, value: number): void {
    if (!endpoint.fn.isGone) {
      endpoint.fn.config.write(offset, lengthBytes, value);
      this.machine.configWritten(endpoint);
    }
  }

  /** Sizes every BAR and gives it an address, a dword at a time, then lets the device decode and send. */
  enumerate(endpoint: GuestEndpoint): void {
    const { config } = endpoint.fn;
    this.configWrite(endpoint, 0x04, 2, 0);
    for (const bar of config.bars) {
      this.configWrite(endpoint, bar.offset, 4, 0xffff_ffff);
      const low = (config.read(bar.offset, 4) & ~15) >>> 0;
      let sizeBytes = 0x1_0000_0000 - low;
      if (bar.is64Bit) {
        this.configWrite(endpoint, bar.offset + 4, 4, 0xffff_ffff);
        const high = config.read(bar.offset + 4, 4);
        sizeBytes = Number(2n ** 64n - ((BigInt(high) << 32n) | BigInt(low)));
      }
      const at = Math.ceil(this.#nextBar / sizeBytes) * sizeBytes;
      this.#nextBar = at + sizeBytes;
      this.configWrite(endpoint, bar.offset, 4, at % 0x1_0000_0000);
      if (bar.is64Bit) {
        this.configWrite(endpoint, bar.offset + 4, 4, Math.floor(at / 0x1_0000_0000));
      }
    }
    this.configWrite(endpoint, 0x04, 2, 0x0406);
  }

  /** Time passes, as far as there is something to do within it. */
  run(ps = 1e12): void {
    const { queue } = this.machine;
    queue.runUntil(queue.nowPs + ps);
  }
}

/** A driver with an admin queue and one I/O queue, which are in RAM. */
export class GuestDrive {
  readonly guest: Guest;
  readonly endpoint: GuestEndpoint;
  readonly #queues: Queue[] = [];
  #cid = 0;

  constructor(guest: Guest, name: string) {
    this.guest = guest;
    this.endpoint = guest.endpoint(name);
  }

  read(offset: number): number {
    const into = new Uint8Array(4);
    readBar(this.endpoint.fn, 0, offset, into, 0, 4);
    return new DataView(into.buffer).getUint32(0, true);
  }

  write(offset: number, value: number): void {
    const from = new Uint8Array(4);
    new DataView(from.buffer).setUint32(0, value >>> 0, true);
    writeBar(this.endpoint.fn, 0, offset, from, 0, 4);
  }

  write64(offset: number, value: number): void {
    // The high half first: of some registers the low one acts.
    this.write(offset + 4, Math.floor(value / 0x1_0000_0000));
    this.write(offset, value % 0x1_0000_0000);
  }

  get isReady(): boolean {
    return CSTS.RDY.of(this.read(CSTS.offset)) === 1;
  }

  /** From nothing to a queue for I/O. */
  start(): void {
    this.guest.enumerate(this.endpoint);
    const { msix } = this.endpoint.fn.config.offsets;
    this.guest.configWrite(
      this.endpoint,
      msix + MSIX_MESSAGE_CONTROL.offset,
      2,
      1 << MSIX_MESSAGE_CONTROL.MSI_X_Enable.low,
    );
    this.#queues.length = 0;
    this.write(CC.offset, 0);
    this.guest.run();
    const admin = this.#queue(0);
    this.write(AQA.offset, ((ENTRIES - 1) << 16) | (ENTRIES - 1));
    this.write64(ASQ.offset, admin.sq);
    this.write64(ACQ.offset, admin.cq);
    this.write(CC.offset, 0x0046_0001);
    this.guest.run();
    const io = this.#queue(1);
    const size = ((ENTRIES - 1) << 16) | 1;
    this.execute(0, { opcode: ADMIN_OPCODE.CREATE_IO_CQ, prp1: io.cq, cdw10: size, cdw11: (1 << 16) | 3 });
    this.execute(0, { opcode: ADMIN_OPCODE.CREATE_IO_SQ, prp1: io.sq, cdw10: size, cdw11: (1 << 16) | 1 });
  }

  /** Makes the CMB answer. @returns its bus address */
  openCmb(): number {
    const bar = this.endpoint.node as {
      readonly cmb?: { readonly bar: number; readonly offsetBytes: number } | null;
    };
    const at = this.endpoint.fn.config.barAddress(bar.cmb!.bar)! + bar.cmb!.offsetBytes;
    this.write(CMBMSC.offset, 1);
    this.write64(CMBMSC.offset, at + 3);
    return at;
  }

  submit(queueId: number, command: GuestCommand): number {
    const queue = this.#queues[queueId]!;
    const bytes = this.guest.bytes(queue.sq + queue.tail * SQE_BYTES, SQE_BYTES);
    const view = new DataView(bytes.buffer, bytes.byteOffset, SQE_BYTES);
    bytes.fill(0);
    const cid = this.#cid++ & 0xffff;
    view.setUint32(0, command.opcode, true);
    CDW0.CID.write(view, cid);
    view.setUint32(4, command.nsid ?? 0, true);
    view.setBigUint64(24, BigInt(command.prp1 ?? 0), true);
    view.setBigUint64(32, BigInt(command.prp2 ?? 0), true);
    view.setUint32(40, command.cdw10 ?? 0, true);
    view.setUint32(44, command.cdw11 ?? 0, true);
    view.setUint32(48, command.cdw12 ?? 0, true);
    queue.tail = (queue.tail + 1) % ENTRIES;
    this.write(doorbellOffset(queueId, 'sq', 0), queue.tail);
    return cid;
  }

  /** The status of the next completion; undefined while there is none. */
  reap(queueId: number): number | undefined {
    const queue = this.#queues[queueId]!;
    const bytes = this.guest.bytes(queue.cq + queue.head * CQE_BYTES, CQE_BYTES);
    const word = new DataView(bytes.buffer, bytes.byteOffset, CQE_BYTES).getUint16(14, true);
    if ((word & 1) !== queue.phase) {
      return undefined;
    }
    queue.head = (queue.head + 1) % ENTRIES;
    queue.phase ^= queue.head === 0 ? 1 : 0;
    this.write(doorbellOffset(queueId, 'cq', 0), queue.head);
    return statusOfWord(word);
  }

  /** The status that a command ends with within a second; undefined: it does not end. */
  execute(queueId: number, command: GuestCommand): number | undefined {
    this.submit(queueId, command);
    this.guest.run();
    return this.reap(queueId);
  }

  /** One page of blocks of 512 bytes. */
  readPage(lba: number, addr: number): number | undefined {
    return this.execute(1, { opcode: NVM_OPCODE.READ, nsid: 1, prp1: addr, cdw10: lba, cdw12: 7 });
  }

  writePage(lba: number, addr: number): number | undefined {
    return this.execute(1, { opcode: NVM_OPCODE.WRITE, nsid: 1, prp1: addr, cdw10: lba, cdw12: 7 });
  }

  #queue(id: number): Queue {
    const sq = this.guest.alloc(ENTRIES * SQE_BYTES);
    const cq = this.guest.alloc(ENTRIES * CQE_BYTES);
    this.guest.bytes(cq, ENTRIES * CQE_BYTES).fill(0);
    const queue = { sq, cq, tail: 0, head: 0, phase: 1 };
    this.#queues[id] = queue;
    return queue;
  }
}
