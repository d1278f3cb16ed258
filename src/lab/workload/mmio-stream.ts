/** Stores and loads of the processor to memory behind a BAR, one core a job. */
import { PENDING, type Status } from '../../access/index.ts';
import { type DmaSink, Memory, TRAFFIC } from '../../fabric/index.ts';
import { PeerSpan } from '../../p2pdma/index.ts';
import type { LabMmioStream } from '../file/index.ts';
import { type Place, takePlace } from './places.ts';
import { Offsets, Stream, type StreamContext, type StreamRoute } from './stream.ts';

export class MmioStream extends Stream implements DmaSink {
  readonly route: StreamRoute;
  readonly hostBytes = 0;
  readonly #place: Place;
  readonly #address: number;
  readonly #offsets: Offsets;
  readonly #isWrite: boolean;
  readonly #local: Memory;
  readonly #largestBytes: number;
  readonly #costPsPerByte: number;
  readonly #notBeforePs: Float64Array;

  constructor(context: StreamContext, description: LabMmioStream) {
    super(context, description, {
      // Stores are posted: a core goes on while its write combining buffers have room. Loads are waited for.
      depth:
        description.kind === 'mmio-write'
          ? Math.max(1, Math.floor(STORE_BUFFER_BYTES / largestOf(description.blocks)))
          : 1,
      blocks: description.blocks,
      cpu: 'none',
    });
    const { memory, areaBytes, blocks, kind } = description;
    this.#isWrite = kind === 'mmio-write';
    this.#place = takePlace(context.machine, memory, null, areaBytes);
    const { span } = this.#place;
    this.#address = span instanceof PeerSpan ? span.address : 0;
    this.#offsets = new Offsets(areaBytes, false, this.random);
    this.#largestBytes = largestOf(blocks);
    this.#local = Memory.extents(this.#largestBytes * this.slotCount);
    this.#costPsPerByte = this.#isWrite ? 1000 / context.cpu.mmioStoreGBs : 0;
    this.#notBeforePs = new Float64Array(this.slotCount);
    this.route = {
      kind: 'mmio',
      provider: this.#place.provider,
      text: `the processor ${this.#isWrite ? 'to' : 'from'} ${this.#place.text}`,
      verdict: null,
    };
  }

  async close(): Promise<void> {
    this.#place.span.close();
  }

  onDma(slot: number, status: Status): void {
    this.#notBeforePs[slot] = Math.max(this.#notBeforePs[slot]!, this.queue.nowPs);
    this.queue.schedule(this.#notBeforePs[slot]!, this, STEP_DONE, status < 0 ? -slot - 1 : slot);
  }

  protected override onStep(_code: number, slot: number): void {
    if (slot < 0) {
      this.over(-slot - 1, 'nothing answered');
    } else {
      this.over(slot);
    }
  }

  protected issue(slot: number, lengthBytes: number): void {
    const { fabric } = this.context.machine;
    const { requester } = fabric.cpu;
    const addr = this.#address + this.#offsets.take(lengthBytes, 4);
    const at = slot * this.#largestBytes;
    // The core itself is busy while it stores, and while it waits for what it loads.
    this.#notBeforePs[slot] = this.work(slot, lengthBytes * this.#costPsPerByte);
    const status = this.#isWrite
      ? fabric.inFlight.write(requester, addr, this.#local, at, lengthBytes, TRAFFIC.DATA, slot, this)
      : fabric.inFlight.read(requester, addr, this.#local, at, lengthBytes, TRAFFIC.DATA, slot, this);
    if (status !== PENDING) {
      this.onDma(slot, status);
    }
  }
}

/** Write combining buffers of a core: ten cache lines. */
const STORE_BUFFER_BYTES = 640;
const STEP_DONE = 8;

function largestOf(blocks: LabMmioStream['blocks']): number {
  return Math.max(...blocks.map(({ sizeBytes }) => sizeBytes));
}
