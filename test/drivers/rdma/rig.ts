// Two RDMA NICs on a wire, each with its verbs, a protection domain, a completion queue and memory.
import type { Span } from '../../../src/access/index.ts';
import type { EthernetWire, Rnic } from '../../../src/devices/index.ts';
import {
  type AccessFlags,
  type CompletionQueue,
  type ConnectOptions,
  connectQp,
  type MemoryRegion,
  type ProtectionDomain,
  type QpInitAttr,
  type QueuePair,
  RdmaContext,
  type Sge,
  WorkCompletion,
} from '../../../src/drivers/index.ts';
import { LabMachine, parseLab } from '../../../src/lab/index.ts';
import { type Clock, clockOptions } from '../../support/clock.ts';

export const ALL_ACCESS: AccessFlags = {
  localWrite: true,
  remoteWrite: true,
  remoteRead: true,
  remoteAtomic: true,
  mwBind: true,
};

const LAB = (addresses: readonly [string, string], more: string, moreRight: string, nic: string): string => `
peerlane: lab/1
kernel: 7.2
cpu: intel
iommu: off
memory: 1G
below:
  - switch: sw
    below:
      - {rnic: left, address: "${addresses[0]}", wire: w${nic}}
${more}
  - switch: sw2
    below:
${moreRight}
      - {rnic: right, address: "${addresses[1]}", wire: w${nic}}
`;

export interface RigOptions {
  readonly addresses?: readonly [string, string];
  /** More devices below the switch of `left`: lines of YAML. */
  readonly more?: string;
  readonly moreRight?: string;
  /** More fields of both NICs, from a comma on. */
  readonly nic?: string;
}

/** One NIC and what was made on it. */
export class Side {
  readonly machine: LabMachine;
  readonly context: RdmaContext;
  readonly nic: Rnic;
  readonly pd: ProtectionDomain;
  readonly cq: CompletionQueue;
  readonly span: Span;
  readonly mr: MemoryRegion;

  constructor(machine: LabMachine, name: string, bytes: number) {
    const { platform, model } = machine.member(name)!;
    this.machine = machine;
    this.nic = model as Rnic;
    this.context = machine.run(
      RdmaContext.open(platform, {
        label: name,
        mapPeer: (span, client) => machine.p2pdma.mapSpan(span, client),
      }),
    );
    this.pd = this.context.allocPd();
    this.cq = machine.run(this.context.createCq(1024));
    this.span = machine.allocateHost(bytes);
    this.mr = machine.run(this.context.regMr(this.pd, this.span, ALL_ACCESS));
  }

  qp(options: Partial<QpInitAttr> = {}): QueuePair {
    return this.machine.run(
      this.context.createQp({ qpType: 'RC', pd: this.pd, sendCq: this.cq, recvCq: this.cq, ...options }),
    );
  }

  /** A piece of the region. */
  piece(offset: number, length: number): Sge {
    return { addr: this.mr.addr + offset, length, lkey: this.mr.lkey };
  }

  put(offset: number, bytes: Uint8Array): void {
    this.span.copyIn(offset, bytes);
  }

  bytes(offset: number, length: number): Uint8Array {
    const into = new Uint8Array(length);
    this.span.copyOut(offset, into);
    return into;
  }

  /** Everything that has completed, after nothing is left to do. */
  poll(): WorkCompletion[] {
    this.machine.queue.runUntilIdle();
    return this.pollNow();
  }

  pollNow(): WorkCompletion[] {
    const all: WorkCompletion[] = [];
    for (;;) {
      const into = Array.from({ length: 64 }, () => new WorkCompletion());
      const count = this.cq.pollCq(into);
      all.push(...into.slice(0, count));
      if (count < into.length) {
        return all;
      }
    }
  }
}

export class Rig {
  readonly machine: LabMachine;
  readonly left: Side;
  readonly right: Side;
  readonly wire: EthernetWire;

  constructor(clock: Clock = 'untimed', options: RigOptions = {}, bytes = 2 ** 20) {
    const text = LAB(
      options.addresses ?? ['10.0.0.1', '10.0.0.2'],
      options.more ?? '',
      options.moreRight ?? '',
      options.nic ?? '',
    );
    this.machine = LabMachine.boot(parseLab(text, 'test'), { label: 'test', ...clockOptions(clock) });
    this.left = new Side(this.machine, 'left', bytes);
    this.right = new Side(this.machine, 'right', bytes);
    this.wire = this.machine.wires.get('w')!;
  }

  /** A queue pair at each end, connected. */
  connect(
    options: Partial<ConnectOptions> = {},
    init: { readonly left?: Partial<QpInitAttr>; readonly right?: Partial<QpInitAttr> } = {},
  ): readonly [QueuePair, QueuePair] {
    const a = this.left.qp(init.left);
    const b = this.right.qp(init.right);
    const psns = [0xff_fff0, 77] as const;
    const ends = [
      { context: this.left.context, qp: a, psn: psns[0] },
      { context: this.right.context, qp: b, psn: psns[1] },
    ] as const;
    for (const [i, end] of ends.entries()) {
      const other = ends[1 - i]!;
      const remote = { ...other.context.attributes, qpNum: other.qp.qpNum, psn: other.psn };
      const all = { access: ALL_ACCESS, ...options, psn: end.psn };
      this.machine.run(connectQp(end.context, end.qp, remote, all));
    }
    return [a, b];
  }
}

export function pattern(length: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + (i >>> 8) * 7 + seed * 101) & 0xff);
}
