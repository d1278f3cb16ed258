/**
 * Runs the workload of a lab in virtual time: starts the streams, lets the warm-up go by, measures, and says what it saw.
 *
 * The run is driven from outside in pieces (`advance`), so that whoever drives it can show progress, be interrupted, and ask
 * for what is known so far. Where measuring begins and ends is an event of the run itself, so that what is measured does not
 * depend on the pieces.
 */
import type { EventHandler, TimerId } from '../../access/index.ts';
import { assert, LabError, PeerlaneError } from '../../base/index.ts';
import { isAbsorbedByCache } from '../../rates/index.ts';
import { type LabStream, type LabWorkload, streamPosition } from '../file/index.ts';
import { type LabMachine, nameSeed } from '../machine/index.ts';
import { BlockStream, CopyStream } from './block-streams.ts';
import { DmaStream, StageStream } from './dma-streams.ts';
import { FetchedStream } from './fetched-stream.ts';
import { loadMemory } from './memory-load.ts';
import { MmioStream } from './mmio-stream.ts';
import { makeReport, type WorkloadReport } from './report.ts';
import type { Stream, StreamContext } from './stream.ts';

const EVENT = { MEASURE: 0, END: 1 } as const;

/** Events between two looks at the clock of the run. */
const EVENTS_PER_LOOK = 4096;
/** A run whose streams all end by themselves, and do not: virtual time in which one has to end. */
const UNBOUNDED_PS = 3600e12;

export class WorkloadRun implements EventHandler {
  readonly machine: LabMachine;
  readonly workload: LabWorkload;
  readonly streams: readonly Stream[];
  readonly #beginPs: number;
  readonly #measurePs: number;
  readonly #endPs: number;
  /** All that streams stage in system memory stays in the cache. */
  readonly isCached: boolean;
  #isMeasuring = false;
  #isOver = false;
  #measuredFromPs = 0;
  #endTimer: TimerId = 0;
  /** What was known at the end. */
  #final: WorkloadReport | null = null;

  /**
   * @param machine booted with time
   * @throws {LabError} LAB_UNTIMED; {MappingError}, {CopyError}, {NvmeError} when a stream cannot be set up
   */
  constructor(machine: LabMachine, workload: LabWorkload) {
    const { timing } = machine.fabric;
    if (timing === null) {
      throw new LabError('LAB_UNTIMED', {
        message: 'a workload needs a machine with time',
        hint: 'boot the lab with `timed: true`',
      });
    }
    this.machine = machine;
    this.workload = workload;
    const context: StreamContext = {
      machine,
      cpu: timing.network.platform.cpu,
      seed: machine.lab.seed,
    };
    for (const load of workload.memoryLoads) {
      loadMemory(machine, load, workload.streams);
    }
    const streams: Stream[] = [];
    try {
      for (const description of workload.streams) {
        streams.push(setUp({ ...context, seed: nameSeed(machine.lab.seed, description.name) }, description));
      }
    } catch (error) {
      for (const stream of streams) {
        stream.stop();
        void stream.close();
      }
      throw error;
    }
    this.streams = streams;
    this.isCached = this.#staysInCache(streams);
    this.#beginPs = machine.queue.nowPs;
    this.#measurePs = this.#beginPs + workload.warmUpPs;
    this.#endPs =
      workload.durationPs === null ? this.#beginPs + UNBOUNDED_PS : this.#measurePs + workload.durationPs;
    // Before the streams: what happens at the same moment comes after.
    if (workload.durationPs !== null) {
      this.#endTimer = machine.queue.timer(this.#endPs - this.#beginPs, this, EVENT.END, 0);
    }
    if (workload.warmUpPs === 0) {
      this.#beginMeasuring();
    } else {
      machine.queue.schedule(this.#measurePs, this, EVENT.MEASURE, 0);
    }
    for (const stream of streams) {
      stream.onOver = () => this.#finishIfOver();
      stream.begin();
    }
  }

  onEvent(code: number): void {
    if (code === EVENT.MEASURE) {
      this.#beginMeasuring();
      this.#finishIfOver();
    } else {
      this.#finish(this.#endPs);
    }
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /**
   * Device writes land in the last level cache, and as long as all that is staged fits into the ways that they may use, memory
   * sees none of it (DDIO). A processor that works on memory beside them drives it out.
   */
  #staysInCache(streams: readonly Stream[]): boolean {
    const { network, paths } = this.machine.fabric.timing!;
    const hostBytes = streams.reduce((sum, stream) => sum + stream.hostBytes, 0);
    const isCached =
      hostBytes > 0 &&
      this.workload.memoryLoads.length === 0 &&
      isAbsorbedByCache(network.platform.memory, hostBytes);
    if (isCached) {
      paths.isDataCached = true;
      for (const node of this.machine.lab.memory.keys()) {
        network.memory(node).occupancyPsPerByte = 0;
      }
    }
    return isCached;
  }

  /** Virtual time since the run began. */
  get elapsedPs(): number {
    return this.machine.queue.nowPs - this.#beginPs;
  }

  /** 0 to 1: of the time, or of what bounded streams have to move, whichever is further. */
  get progress(): number {
    if (this.#isOver) {
      return 1;
    }
    if (this.workload.durationPs !== null) {
      return Math.min(1, this.elapsedPs / (this.#endPs - this.#beginPs));
    }
    const shares = this.streams.map(({ description, bytesTotal, requests }) =>
      description.sizeBytes !== null
        ? bytesTotal / description.sizeBytes
        : description.count !== null
          ? requests / description.count
          : 0,
    );
    return Math.min(1, ...shares);
  }

  /**
   * Runs about so many events.
   * @returns true when the run is over
   * @throws {TimeError} FABRIC_TIME_END
   */
  advance(eventsMax: number): boolean {
    const { queue } = this.machine;
    for (let count = 0; count < eventsMax && !this.#isOver; ) {
      const ran = queue.runUntilIdle(Math.min(EVENTS_PER_LOOK, eventsMax - count));
      count += ran;
      if (this.#isOver) {
        break;
      }
      if (queue.nowPs >= this.#endPs) {
        this.#finish(this.#endPs);
      } else if (ran === 0) {
        this.#checkStall();
        this.#finish(queue.nowPs);
      }
    }
    return this.#isOver;
  }

  /** What was measured; of a run that is not over, so far. */
  report(): WorkloadReport {
    return this.#final ?? this.#reportUntil(this.machine.queue.nowPs);
  }

  /** Lets what is in flight end, and gives everything back. */
  async close(): Promise<void> {
    for (const stream of this.streams) {
      stream.stop();
    }
    const { queue } = this.machine;
    while (this.streams.some(({ inFlight }) => inFlight > 0) && queue.runUntilIdle(EVENTS_PER_LOOK) > 0) {}
    this.#checkStall();
    for (const stream of this.streams) {
      await stream.close();
    }
  }

  #reportUntil(untilPs: number): WorkloadReport {
    this.machine.fabric.timing!.engine.settle?.();
    return makeReport(
      this.machine,
      this.streams,
      {
        isComplete: this.#isOver,
        isCached: this.isCached,
        measuredPs: this.#isMeasuring ? Math.max(0, untilPs - this.#measuredFromPs) : 0,
        elapsedPs: this.elapsedPs,
      },
      untilPs,
    );
  }

  /** Requests in flight that nothing will ever end: the model is wrong, and nobody should take the figures for slow ones. */
  #checkStall(): void {
    for (const { name, inFlight } of this.streams) {
      assert(inFlight === 0, 'requests of a stream are in flight and nothing happens any more', {
        stream: name,
        inFlight,
      });
    }
  }

  #beginMeasuring(): void {
    const fromPs = this.#measurePs;
    this.#isMeasuring = true;
    this.#measuredFromPs = fromPs;
    const { fabric } = this.machine;
    fabric.counters.reset();
    fabric.timing!.resetCounts();
    this.machine.resetMediaUtilisation();
    for (const stream of this.streams) {
      stream.setWindow(fromPs, this.#endPs);
    }
  }

  /** Streams that all ended by themselves end the run, unless it has not begun to measure. */
  #finishIfOver(): void {
    if (this.#isMeasuring && !this.#isOver && this.streams.every(({ isOver }) => isOver)) {
      const lastPs = Math.max(...this.streams.map((stream) => stream.lastPs));
      this.#finish(Math.max(lastPs, this.#measuredFromPs));
    }
  }

  #finish(untilPs: number): void {
    this.#isOver = true;
    this.machine.queue.cancel(this.#endTimer);
    this.#final = this.#reportUntil(untilPs);
    for (const stream of this.streams) {
      stream.stop();
    }
  }
}

/** Whatever a stream needs and cannot have is a mistake of the lab, whoever found it, and is told with its place in the file. */
function setUp(context: StreamContext, description: LabStream): Stream {
  try {
    return makeStream(context, description);
  } catch (error) {
    if (!(error instanceof PeerlaneError) || error.exitStatus === 1) {
      throw error;
    }
    const { label } = context.machine;
    const position = streamPosition(description);
    const place = position === undefined ? '' : `${label}:${position.line}:${position.column}: `;
    const isToldAlready = error instanceof LabError;
    throw new LabError(isToldAlready ? error.code : 'LAB_STREAM', {
      message: isToldAlready
        ? `${place}${error.message}`
        : `${place}stream ${description.name} cannot be set up: ${error.message} (${error.code})`,
      hint:
        HINTS[error.code] ??
        error.hint ??
        'make the stream or what it uses smaller, or give the device more memory',
      detail: { ...position, stream: description.name, code: error.code },
      cause: error,
      exitStatus: 2,
    });
  }
}

/** What a lab file can do about it, where that is another thing than what a driver can. */
const HINTS: Readonly<Record<string, string>> = {
  P2P_POOL_EXHAUSTED:
    'give the stream a smaller `area`, `block` or `depth`, or the drive a larger `cmb`; queues of the driver take from the same memory',
  P2P_REGION_ALIGNMENT:
    'give the device a memory BAR of 2M or more, or a `kernel` before 5.3, which takes any size',
};

function makeStream(context: StreamContext, description: LabStream): Stream {
  switch (description.kind) {
    case 'read':
    case 'write':
    case 'mix':
      return description.fetchedBy === undefined
        ? new BlockStream(context, description)
        : new FetchedStream(context, description, description.fetchedBy);
    case 'copy':
      return new CopyStream(context, description);
    case 'dma-write':
    case 'dma-read':
      return new DmaStream(context, description);
    case 'stage':
      return new StageStream(context, description);
    default:
      return new MmioStream(context, description);
  }
}
