/** Transfers on a lab: drives behind the simulated NVMe driver, peer memory of the simulated framework. */
import { type Span, STATUS } from '../../access/index.ts';
import { type Bdf, UsageError } from '../../base/index.ts';
import {
  compareMedia,
  findLabEnd,
  type LabEnd,
  type LabMachine,
  type LabTraffic,
  labEndMemory,
  labTraffic,
  makeReport,
  openLabEnd,
  type WorkloadReport,
} from '../../lab/index.ts';
import type { RouteEnd, VerifyResult } from '../../orchestrators/index.ts';
import { PeerSpan, rulesForMachine } from '../../p2pdma/index.ts';
import { MachineIndex } from '../../topology/index.ts';
import type { RunningLab } from '../lab/boot.ts';
import type { TraceFiles } from '../lab/trace-files.ts';
import type {
  InPlace,
  OpenEnd,
  OpenOptions,
  RouteFacts,
  Simulation,
  TransferEnd,
  TransferMachine,
} from './machine.ts';
import type { VirtualClock } from './virtual-clock.ts';

export interface LabTransferOptions {
  /** Writes to a namespace with an image go to its file. */
  readonly writesImages: boolean;
  /** Of this computer. */
  readonly nowNs: () => number;
  /** Of the machine, which was booted with it; null: it has no time. */
  readonly clock?: VirtualClock | null;
}

export class LabTransferMachine implements TransferMachine, Simulation {
  readonly #lab: RunningLab;
  readonly #options: LabTransferOptions;

  /** Takes the lab over: `close` closes it. */
  constructor(lab: RunningLab, options: LabTransferOptions) {
    this.#lab = lab;
    this.#options = options;
  }

  get simulation(): Simulation {
    return this;
  }

  get clock(): VirtualClock | null {
    return this.#options.clock ?? null;
  }

  get machine(): LabMachine {
    return this.#lab.machine;
  }

  source(name: string): TransferEnd {
    return this.#end(name);
  }

  destination(name: string): TransferEnd {
    return this.#end(name);
  }

  #end(name: string): TransferEnd {
    const end = findLabEnd(this.machine, this.routeFacts().index, name);
    return new LabTransferEnd(this.machine, end, name, this.#options.writesImages);
  }

  routeFacts(): RouteFacts {
    const machine = this.machine.machine();
    return { index: new MachineIndex(machine), rules: rulesForMachine(machine) };
  }

  availableBytes(provider: Bdf): number | undefined {
    return this.#lentBy(provider)?.lengthBytes ?? this.machine.p2pdma.provider(provider)?.availableBytes;
  }

  allocateHost(lengthBytes: number): Span {
    return this.machine.allocateHost(lengthBytes);
  }

  allocatePeer(provider: Bdf, lengthBytes: number): Span {
    return (
      this.#lentBy(provider)?.share(0, lengthBytes) ?? this.machine.p2pdma.allocSpan(provider, lengthBytes)
    );
  }

  /** A block device over a BAR has all of its function's memory, and lends the beginning of it. */
  #lentBy(provider: Bdf): PeerSpan | undefined {
    const direct = this.machine.disks.find(({ disk }) => disk?.provider === provider)?.disk?.direct;
    return direct instanceof PeerSpan ? direct : undefined;
  }

  traceInto(files: TraceFiles): void {
    files.attach(this.machine, null);
  }

  resetTraffic(): void {
    const { fabric } = this.machine;
    fabric.counters.reset();
    fabric.timing?.resetCounts();
    this.machine.resetMediaUtilisation();
  }

  report(measuredNs: number): WorkloadReport | null {
    const measuredPs = measuredNs * 1000;
    return this.machine.fabric.timing === null
      ? null
      : makeReport(
          this.machine,
          [],
          { isComplete: true, isCached: false, measuredPs, elapsedPs: measuredPs },
          this.machine.queue.nowPs,
        );
  }

  traffic(): LabTraffic {
    return labTraffic(this.machine);
  }

  inPlace(a: TransferEnd, b: TransferEnd): InPlace | null {
    for (const [disk, drive] of [
      [a, b],
      [b, a],
    ] as const) {
      const memory = labEndMemory(this.machine, labEndOf(disk));
      if (memory !== null && labEndOf(drive).nsid !== null) {
        return { memory, provider: labEndOf(disk).bdf, drive };
      }
    }
    return null;
  }

  compare(
    source: TransferEnd,
    sourceOffsetBytes: number,
    target: TransferEnd,
    targetOffsetBytes: number,
    lengthBytes: number,
  ): VerifyResult {
    const startedNs = this.#options.nowNs();
    const difference = compareMedia(
      this.machine,
      { end: labEndOf(source), offsetBytes: sourceOffsetBytes },
      { end: labEndOf(target), offsetBytes: targetOffsetBytes },
      lengthBytes,
    );
    const isMismatch = difference.atBytes >= 0;
    const { unreadable } = difference;
    return {
      outcome: unreadable !== null ? 'failed' : isMismatch ? 'mismatch' : 'equal',
      comparedBytes: unreadable !== null ? 0 : isMismatch ? difference.atBytes : lengthBytes,
      mismatchAtBytes: isMismatch ? difference.atBytes : undefined,
      mismatch: isMismatch ? { source: difference.first, target: difference.second } : undefined,
      failure:
        unreadable === null
          ? undefined
          : {
              status: STATUS.IO,
              code: 'MEDIA',
              message: `${unreadable}: the device itself cannot read all of the range`,
              phase: 'read',
              at: unreadable,
              offsetBytes: unreadable === labEndOf(source).label ? sourceOffsetBytes : targetOffsetBytes,
              lengthBytes,
            },
      elapsedNs: this.#options.nowNs() - startedNs,
    };
  }

  close(): void {
    this.#lab.close();
  }
}

/** As on the real machine. */
const DEPTH_MAX = 4096;

class LabTransferEnd implements TransferEnd {
  readonly label: string;
  readonly isDevice = true;
  readonly holds: readonly string[];
  readonly atStake: TransferEnd['atStake'];
  readonly end: LabEnd;
  readonly #machine: LabMachine;

  constructor(machine: LabMachine, end: LabEnd, label: string, writesImages: boolean) {
    this.#machine = machine;
    this.end = end;
    this.label = label;
    const isLost = end.image !== null && writesImages;
    this.atStake = isLost ? 'device' : 'nothing';
    this.holds = isLost ? [`the image ${end.image}`] : [];
  }

  get route(): RouteEnd {
    const isMemory = this.end.nsid === null;
    return {
      label: this.label,
      requesters: isMemory ? [] : [this.end.bdf],
      uncertain: undefined,
      takesPeerMemory: !isMemory,
      why: isMemory
        ? 'the processor copies to and from it, which peer memory is not for; --via host does'
        : 'a drive of a lab does DMA wherever the rules allow',
    };
  }

  get identity(): string {
    return this.end.label;
  }

  open({ write, depth }: OpenOptions): OpenEnd {
    if (!(depth >= 1 && depth <= DEPTH_MAX)) {
      throw new UsageError('USAGE_DEPTH', {
        message: `a depth of ${depth} cannot be kept`,
        hint: `use --depth 1 to ${DEPTH_MAX}`,
        detail: { depth },
      });
    }
    return { target: openLabEnd(this.#machine, this.end, { isReadOnly: !write }), undo: () => {} };
  }
}

/** Every end of a lab's transfer was made here. */
function labEndOf(end: TransferEnd): LabEnd {
  return (end as LabTransferEnd).end;
}
