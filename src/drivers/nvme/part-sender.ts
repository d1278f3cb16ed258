/**
 * Sends parts of requests as commands: how long a part may be, on which queue it goes, by which kind of data pointer.
 *
 * The inner half of the hot path; which request is next, and what follows from a failure, is `namespace.ts`.
 */
import { STATUS } from '../../access/index.ts';
import type { BlockEntry } from './block-entry.ts';
import { LIST_FAILED, NO_LIST } from './data-pointer.ts';
import type { Engine } from './engine.ts';
import type { CommandOwner, QueuePair } from './queue-pair.ts';
import type { RequestTable } from './request-table.ts';
import type { SpanMapping } from './span-mapping.ts';

/** What became of sending a part; failures are negative (`Status`). */
export const SENT = 1;
export const NO_ROOM = 0;
/** There was none. */
export const NOTHING = 2;

/** Blocks of one command: NLB has 16 bits and is 0's based. */
const COMMAND_BLOCKS_MAX = 65_536;

/** The queues of a namespace, and whose turn it is. */
export class QueueChoice {
  /** Where the last `begin` found room. */
  queue: QueuePair | undefined;
  readonly #engine: Engine;
  readonly #indexes: readonly number[] | undefined;
  readonly #spreads: boolean;
  /** The engine's queues when `#queues` was made from them; a start of the controller makes a new list. */
  #seen: readonly QueuePair[] = [];
  #queues: readonly QueuePair[] = [];
  #cursor = 0;

  /** @param indexes  of the engine's queues; undefined for all */
  constructor(engine: Engine, indexes: readonly number[] | undefined, spreads: boolean) {
    this.#engine = engine;
    this.#indexes = indexes;
    this.#spreads = spreads;
    this.#look();
  }

  /** Commands that they take at once. */
  get slotCount(): number {
    return this.#queues.reduce((sum, queue) => sum + queue.slotCount, 0);
  }

  /** One with room, else the first. */
  any(): QueuePair | undefined {
    this.#look();
    return this.#queues.find((queue) => queue.isOpen && queue.room > 0) ?? this.#queues[0];
  }

  /** Whether one of them is among those of the other. */
  overlaps(other: QueueChoice): boolean {
    this.#look();
    other.#look();
    return this.#queues === other.#queues || this.#queues.some((queue) => other.#queues.includes(queue));
  }

  some(test: (queue: QueuePair) => boolean): boolean {
    this.#look();
    return this.#queues.some(test);
  }

  /** As `QueuePair.begin`, on the next queue with room, which is in `queue` then. */
  begin(owner: CommandOwner, request: number, position: number, lengthBytes: number): number {
    if (this.#engine.queues !== this.#seen) {
      this.#look();
    }
    const queues = this.#queues;
    for (let i = 0; i < queues.length; i++) {
      const queue = queues[this.#cursor]!;
      const at = queue.begin(owner, request, position, lengthBytes);
      if (at < 0 || this.#spreads) {
        this.#cursor = this.#cursor + 1 === queues.length ? 0 : this.#cursor + 1;
      }
      if (at >= 0) {
        this.queue = queue;
        return at;
      }
    }
    return -1;
  }

  /** Where fewer queues came back after a reset, those that are left serve in their place. */
  #look(): void {
    const { queues } = this.#engine;
    if (queues === this.#seen) {
      return;
    }
    this.#seen = queues;
    this.#cursor = 0;
    this.#queues =
      this.#indexes === undefined || queues.length === 0
        ? queues
        : this.#indexes.map((index) => queues[index % queues.length]!);
  }
}

export interface SenderParts {
  readonly engine: Engine;
  readonly label: string;
  /** Whose commands they are. */
  readonly owner: CommandOwner;
  readonly table: RequestTable;
  readonly queues: QueueChoice;
  readonly entry: BlockEntry;
  readonly blockBytes: number;
}

/** What requests on memory end with that its provider took back. */
export const REVOKED = {
  code: 'P2P_REVOKED',
  message: 'the provider took the memory of the request back',
} as const;

export class PartSender {
  /** Whole blocks; 0 when a command moves less than one. */
  readonly commandBytesMax: number;
  /** The controller takes SGLs, and the caller does not want PRPs. */
  readonly canSgl: boolean;
  readonly #engine: Engine;
  readonly #label: string;
  readonly #owner: CommandOwner;
  readonly #table: RequestTable;
  readonly #queues: QueueChoice;
  readonly #entry: BlockEntry;
  readonly #blockBytes: number;
  readonly #bySglOnly: boolean;

  constructor(parts: SenderParts) {
    const { engine, blockBytes } = parts;
    this.#engine = engine;
    this.#label = parts.label;
    this.#owner = parts.owner;
    this.#table = parts.table;
    this.#queues = parts.queues;
    this.#entry = parts.entry;
    this.#blockBytes = blockBytes;
    this.commandBytesMax =
      Math.min(Math.floor(engine.transferBytesMax / blockBytes), COMMAND_BLOCKS_MAX) * blockBytes;
    this.canSgl = engine.identity.sgl !== 'none' && engine.options.dataPointer !== 'prp';
    this.#bySglOnly = this.canSgl && engine.options.dataPointer === 'sgl';
  }

  /** Whether a range of a span needs an SGL, or is wanted by one. */
  isBySgl(mapping: SpanMapping, spanOffset: number, lengthBytes: number): boolean {
    return this.#bySglOnly || (!mapping.isPaged && mapping.prpRun(spanOffset, lengthBytes) < lengthBytes);
  }

  /** Sends the next part of a request. @returns SENT, NO_ROOM, or a failure that is told in its story */
  sendNext(request: number): number {
    const table = this.#table;
    const position = table.started[request]!;
    const lengthBytes = this.#partLength(request, position, table.lengths[request]! - position);
    if (lengthBytes === 0) {
      return this.#refuse(
        request,
        position,
        STATUS.UNREACHABLE,
        'NVME_UNSUPPORTED',
        `PRPs cannot describe the memory of a block of ${this.#label}, and it takes no SGLs`,
      );
    }
    const outcome = this.send(request, position, lengthBytes);
    if (outcome === SENT) {
      table.started[request] = position + lengthBytes;
    }
    return outcome;
  }

  /** Sends one part. @returns as `sendNext` */
  send(request: number, position: number, lengthBytes: number): number {
    const table = this.#table;
    const mapping = table.mappings[request]!;
    if (mapping?.isVoid === true) {
      return this.#refuse(request, position, STATUS.UNREACHABLE, REVOKED.code, REVOKED.message);
    }
    const at = this.#queues.begin(this.#owner, request, position, lengthBytes);
    if (at < 0) {
      return NO_ROOM;
    }
    const queue = this.#queues.queue!;
    if (mapping === null) {
      this.#entry.writeEmpty(queue.words, at, table.opcodes[request]!);
    } else {
      const spanOffset = table.spanOffsets[request]! + position;
      const chain = this.#entry.write(
        queue.words,
        at,
        table.opcodes[request]!,
        table.flags[request]!,
        table.offsets[request]! + position,
        mapping,
        spanOffset,
        lengthBytes,
        this.isBySgl(mapping, spanOffset, lengthBytes),
        this.#engine.lists,
      );
      if (chain === LIST_FAILED) {
        return this.#withoutList(queue, request, position);
      }
      if (chain !== NO_LIST) {
        queue.attachLists(chain);
      }
    }
    table.parts[request]!++;
    queue.commit();
    return SENT;
  }

  /** 0 when not one block can be described. */
  #partLength(request: number, position: number, left: number): number {
    const mapping = this.#table.mappings[request]!;
    const most = left < this.commandBytesMax ? left : this.commandBytesMax;
    if (mapping === null || mapping.isPaged || this.canSgl) {
      return most;
    }
    const run = mapping.prpRun(this.#table.spanOffsets[request]! + position, most);
    return Math.floor(run / this.#blockBytes) * this.#blockBytes;
  }

  /** There is no memory for a list: wait for commands that hold some, or fail where none does. */
  #withoutList(queue: QueuePair, request: number, position: number): number {
    queue.cancel();
    if (this.#engine.lists.used > 0) {
      return NO_ROOM;
    }
    return this.#refuse(
      request,
      position,
      STATUS.FULL,
      'NVME_NO_MEMORY',
      'no host memory is left for the lists of a command',
    );
  }

  #refuse(request: number, movedBytes: number, status: number, code: string, message: string): number {
    this.#table.tell(request, { status, code, message, movedBytes, nvmeStatus: null });
    return status;
  }
}
