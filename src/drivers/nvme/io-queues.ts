/**
 * The I/O queues of a controller: asked for, placed in host memory or in the controller memory buffer, created, and told
 * where their shadow doorbells are.
 *
 * Queues stay the same objects over resets, so that commands and namespaces keep what they hold. Follows NVM Express Base
 * 2.1, sections 3.3.1, 5.1.25.2.1 (Number of Queues), 5.2.1, 5.2.2 and 5.2.5 (Doorbell Buffer Config).
 */
import type { CoherentMemory, Task } from '../../access/index.ts';
import { NvmeError } from '../../base/index.ts';
import {
  ADMIN_OPCODE,
  doorbellBytes,
  FEATURE,
  NUMBER_OF_QUEUES_FEATURE,
  PRP1,
  PRP2,
  QUEUE_PRIORITY,
  SQE_BYTES,
} from '../../spec/nvme/index.ts';
import { checkResult, statusText } from './command-result.ts';
import { Command } from './command-runner.ts';
import { type ControllerMemory, placeQueues } from './controller-memory.ts';
import type { Engine } from './engine.ts';
import { takeOptional } from './host-features.ts';
import { wordsOf } from './list-pool.ts';
import type { QueuePair } from './queue-pair.ts';

interface ShadowMemory {
  readonly values: CoherentMemory;
  readonly eventIndexes: CoherentMemory;
}

export interface CreatedQueues {
  /** Open, in order of their ids. */
  readonly queues: readonly QueuePair[];
  /** The CMB without what the queues took. */
  readonly cmb: ControllerMemory | null;
}

/** How a queue is made. */
export interface QueueFactory {
  make(id: number, entries: number, timeoutPs: number): QueuePair;
  /** Its interrupt; null when it is polled. */
  vectorOf(id: number): number | null;
}

export class IoQueues {
  readonly #engine: Engine;
  readonly #factory: QueueFactory;
  /** All that were ever made; after a reset the controller may grant fewer. */
  readonly #all: QueuePair[] = [];
  #shadow: ShadowMemory | undefined;

  constructor(engine: Engine, factory: QueueFactory) {
    this.#engine = engine;
    this.#factory = factory;
  }

  get all(): readonly QueuePair[] {
    return this.#all;
  }

  /** Gives all memory back. */
  release(): void {
    for (const queue of this.#all.splice(0)) {
      queue.close();
    }
    this.#shadow?.values.free();
    this.#shadow?.eventIndexes.free();
    this.#shadow = undefined;
  }

  /**
   * Asks for queues and creates what is granted.
   * @throws {NvmeError} NVME_NO_QUEUES, or the error of a loss
   */
  *create(): Task<CreatedQueues> {
    const engine = this.#engine;
    const { options, capabilities, label } = engine;
    const wanted = Math.min(options.queueCount, capabilities.queuePairsMax - 1);
    if (wanted === 0) {
      if (options.queueCount > 0) {
        throw this.#noQueues('BAR 0 has no doorbells for an I/O queue');
      }
      return { queues: [], cmb: engine.cmb };
    }
    const view = new DataView(new ArrayBuffer(SQE_BYTES));
    NUMBER_OF_QUEUES_FEATURE.NSQR.write(view, wanted - 1);
    NUMBER_OF_QUEUES_FEATURE.NCQR.write(view, wanted - 1);
    const value = NUMBER_OF_QUEUES_FEATURE.value(view);
    const result = yield* engine.admin.trySetFeature(FEATURE.NUMBER_OF_QUEUES, value);
    if (result.loss !== null || result.status !== 0) {
      checkResult({ ...result, status: 0 }, label, 'asking for queues');
      throw this.#noQueues(statusText(result.status));
    }
    const granted = Math.min(
      wanted,
      NUMBER_OF_QUEUES_FEATURE.NSQR.of(result.dw0) + 1,
      NUMBER_OF_QUEUES_FEATURE.NCQR.of(result.dw0) + 1,
    );
    const { entries, cmb } = this.#plan(granted);
    const queues: QueuePair[] = [];
    for (let id = 1; id <= granted; id++) {
      let queue = this.#all[id - 1];
      if (queue === undefined) {
        queue = this.#factory.make(id, entries, options.timeoutPs);
        this.#all.push(queue);
      }
      this.#place(queue, granted, cmb);
      const priority = options.queuePriorities[id - 1] ?? QUEUE_PRIORITY.MEDIUM;
      const created = yield* engine.admin.createQueues(
        queue,
        this.#factory.vectorOf(id),
        options.arbitration === 'weighted' && capabilities.canWeigh ? priority : 0,
      );
      if (created.loss !== null) {
        checkResult(created, label, `creating queue ${id}`);
      }
      if (created.status !== 0) {
        const why = `queue ${id} was refused: ${statusText(created.status)}`;
        if (id === 1) {
          throw this.#noQueues(why);
        }
        engine.anomalies.record('command-refused', `${label}: ${why}; going on with ${id - 1}`);
        break;
      }
      queues.push(queue);
    }
    for (const queue of queues) {
      queue.isOpen = true;
    }
    return { queues, cmb };
  }

  /** Entries of each queue, shortened where they have to fit the CMB; the memory for data starts behind them. */
  #plan(count: number): { readonly entries: number; readonly cmb: ControllerMemory | null } {
    const { options, capabilities, cmb, lists, anomalies, label } = this.#engine;
    const entries = Math.max(2, Math.min(options.queueDepth + 1, capabilities.queueEntriesMax));
    // Queues that exist keep their length.
    const wanted = this.#all[0]?.entries ?? entries;
    if (!options.queuesInCmb || cmb === null || !cmb.takesQueues) {
      return { entries: wanted, cmb };
    }
    const placement = placeQueues(cmb.regionSizeBytes, count, wanted, SQE_BYTES, lists.pageBytes);
    if (placement === null || (this.#all.length > 0 && placement.entries !== wanted)) {
      anomalies.record('controller-memory', `${label}: the CMB is too small for submission queues`);
      return { entries: wanted, cmb };
    }
    return {
      entries: placement.entries,
      cmb: {
        ...cmb,
        offsetBytes: cmb.regionOffsetBytes + placement.totalBytes,
        sizeBytes: cmb.regionSizeBytes - placement.totalBytes,
      },
    };
  }

  #place(queue: QueuePair, count: number, cmb: ControllerMemory | null): void {
    const taken = cmb === null ? 0 : cmb.offsetBytes - cmb.regionOffsetBytes;
    const window = cmb === null ? undefined : this.#engine.fn.bar(cmb.bar);
    queue.place(
      cmb === null || taken === 0 || window === undefined
        ? null
        : { window, offsetBytes: cmb.regionOffsetBytes + (taken / count) * (queue.id - 1) },
    );
  }

  #noQueues(why: string): NvmeError {
    return new NvmeError('NVME_NO_QUEUES', {
      message: `${this.#engine.label} gives no I/O queue: ${why}`,
      hint: 'other users of the controller may hold them; ask for 0 queues to send admin commands only',
      exitStatus: 3,
    });
  }

  /** Tells the controller of shadow doorbells, where the caller wants them and they can be had. @throws only for losses */
  *configureShadow(queues: readonly QueuePair[]): Task<void> {
    const { options, capabilities, identity, lists, fn, admin } = this.#engine;
    const page = lists.pageBytes;
    const fits = doorbellBytes(queues.length + 1, capabilities.dstrd) <= page;
    if (!options.shadowDoorbells || !identity.hasDoorbellBuffer || !fits || queues.length === 0) {
      return;
    }
    // Entries in controller memory are posted writes: a controller that sees the tail in host memory could fetch before
    // they have arrived. A doorbell register is behind them on the bus, a shadow is not.
    if (queues.some((queue) => queue.isInControllerMemory)) {
      return;
    }
    const { dma } = fn;
    this.#shadow ??= {
      values: dma.allocCoherent(page, page),
      eventIndexes: dma.allocCoherent(page, page),
    };
    const { values, eventIndexes } = this.#shadow;
    values.bytes.fill(0);
    eventIndexes.bytes.fill(0);
    const command = new Command(ADMIN_OPCODE.DOORBELL_BUFFER_CONFIG);
    PRP1.setValue(command.view, values.addr);
    PRP2.setValue(command.view, eventIndexes.addr);
    const result = yield* admin.submit(command.bytes);
    takeOptional(this.#engine, result, 'shadow doorbells');
    if (result.status !== 0) {
      return;
    }
    const valueWords = wordsOf(values, 0, page);
    const eventWords = wordsOf(eventIndexes, 0, page);
    const stride = 1 << capabilities.dstrd;
    for (const queue of queues) {
      queue.shadow = {
        values: valueWords,
        eventIndexes: eventWords,
        tail: 2 * queue.id * stride,
        head: (2 * queue.id + 1) * stride,
      };
    }
  }
}
