/** A namespace that is enabled: its backend, who it is, who may write, and what went through it. */
import type { Span } from '../../access/index.ts';
import { WRITE_PROTECTION_STATE } from '../../spec/nvme/index.ts';
import { BackendQueue, type NamespaceBackend } from './backend.ts';
import type { NamespaceConfig } from './config/model.ts';
import { identifierBytes, stableIdentifier } from './identifiers.ts';
import type { TargetRequest } from './request.ts';
import { type ReservationStore, Reservations } from './reservations.ts';

/** Since the namespace was enabled. Commands count when they end with success. */
export interface NamespaceCounters {
  readCommands: number;
  readBytes: number;
  writeCommands: number;
  writeBytes: number;
  otherCommands: number;
  failedCommands: number;
}

export class TargetNamespace {
  readonly nsid: number;
  readonly subsystemNqn: string;
  readonly backend: NamespaceBackend;
  readonly queue: BackendQueue;
  readonly blockBytes: number;
  readonly counters: NamespaceCounters = {
    readCommands: 0,
    readBytes: 0,
    writeCommands: 0,
    writeBytes: 0,
    otherCommands: 0,
    failedCommands: 0,
  };
  /** 16 bytes each; null: the namespace has none. */
  readonly uuid: Uint8Array;
  readonly nguid: Uint8Array | null;
  /** Null: persistent reservations are off. */
  readonly reservations: Reservations | null;
  anaGroupId: number;
  /** WRITE_PROTECTION_STATE. */
  writeProtection: number = WRITE_PROTECTION_STATE.NONE;
  /** False while it goes away: commands are refused. */
  isServing = true;
  #sizeBytes: number;
  #useCount = 0;
  #onIdle: (() => void) | null = null;
  #zeroes: Span | null = null;

  constructor(
    subsystemNqn: string,
    config: NamespaceConfig,
    backend: NamespaceBackend,
    store: ReservationStore | null,
  ) {
    this.nsid = config.nsid;
    this.subsystemNqn = subsystemNqn;
    this.backend = backend;
    this.queue = new BackendQueue(backend);
    this.blockBytes = backend.target.blockBytes;
    this.#sizeBytes = backend.target.sizeBytes;
    this.anaGroupId = config.anaGroupId;
    this.uuid =
      config.device.uuid === null
        ? stableIdentifier(`${subsystemNqn}/${config.nsid}`)
        : identifierBytes(config.device.uuid);
    this.nguid = config.device.nguid === null ? null : identifierBytes(config.device.nguid);
    this.reservations = config.hasReservations ? new Reservations(subsystemNqn, config.nsid, store) : null;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get blockCount(): number {
    return Math.floor(this.#sizeBytes / this.blockBytes);
  }

  get isWritable(): boolean {
    return !this.backend.target.isReadOnly && this.writeProtection === WRITE_PROTECTION_STATE.NONE;
  }

  /** Asks the backend for its size again. @returns whether it has changed */
  revalidate(): boolean {
    const sizeBytes = this.backend.target.sizeBytes;
    const isChanged = sizeBytes !== this.#sizeBytes;
    this.#sizeBytes = sizeBytes;
    return isChanged;
  }

  enter(request: TargetRequest): void {
    request.namespace = this;
    this.#useCount++;
  }

  leave(request: TargetRequest): void {
    request.namespace = null;
    this.#useCount--;
    if (this.#useCount === 0) {
      const onIdle = this.#onIdle;
      this.#onIdle = null;
      onIdle?.();
    }
  }

  /** Zeroes to write from, shared by all who do; null: no memory now. */
  zeroes(lengthBytes: number): Span | null {
    if (this.#zeroes === null) {
      this.#zeroes = this.backend.memory.allocate(lengthBytes);
      this.#zeroes?.fill(0);
    }
    return this.#zeroes;
  }

  /** Refuses new commands and closes the backend when those in flight have ended. */
  async close(): Promise<void> {
    this.isServing = false;
    if (this.#useCount > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    if (this.#zeroes !== null) {
      this.backend.memory.release(this.#zeroes);
      this.#zeroes = null;
    }
    await this.backend.target.close();
  }
}
