/**
 * Firmware: images that are downloaded in pieces, slots, and activation. Follows NVM Express Base 2.1, sections 3.11, 5.1.8 and
 * 5.1.9.
 *
 * An image has no content that matters: its first 8 bytes, printable ASCII, are its revision. Anything else is an invalid
 * image. Slots belong to the subsystem in life; here each controller has its own.
 */
import { DONE, type Memory, type Status } from '../../../fabric/index.ts';
import {
  ASYNC_EVENT,
  FIRMWARE_AFI,
  FIRMWARE_COMMIT_ACTION,
  FIRMWARE_COMMIT_CDW10,
  FIRMWARE_DOWNLOAD_CDW10,
  FIRMWARE_DOWNLOAD_CDW11,
  FIRMWARE_FRS,
  FIRMWARE_SLOT_LOG,
  NVME_STATUS,
} from '../../../spec/nvme/index.ts';
import type { Command } from '../command.ts';
import type { AdminHost } from './admin-host.ts';

export const FIRMWARE_SLOTS = 3;
const IMAGE_BYTES_MAX = 2 ** 24;
const REVISION_BYTES = 8;

interface Piece {
  readonly offset: number;
  readonly lengthBytes: number;
}

export class FirmwareSlots {
  readonly #host: AdminHost;
  /** Revision in each slot, from slot 1; null for empty. */
  readonly #slots: (string | null)[] = new Array<string | null>(FIRMWARE_SLOTS).fill(null);
  #active = 1;
  /** Slot for the next reset, 0 for none. */
  #next = 0;
  #pieces: Piece[] = [];
  readonly #head = new Uint8Array(REVISION_BYTES);

  constructor(host: AdminHost, revision: string) {
    this.#host = host;
    this.#slots[0] = revision;
  }

  /** Of the image that runs. */
  get revision(): string {
    return this.#slots[this.#active - 1]!;
  }

  /** Any reset activates what waits for one, and drops a download that was not committed. */
  reset(): void {
    this.#pieces = [];
    if (this.#next !== 0) {
      this.#active = this.#next;
      this.#next = 0;
    }
  }

  download(command: Command): Status {
    const lengthBytes = (FIRMWARE_DOWNLOAD_CDW10.NUMD.of(command.dword(10)) + 1) * 4;
    const offset = FIRMWARE_DOWNLOAD_CDW11.OFST.of(command.dword(11)) * 4;
    if (offset + lengthBytes > IMAGE_BYTES_MAX) {
      command.failField(NVME_STATUS.INVALID_FIELD, 10, 0);
      return DONE;
    }
    if (lengthBytes % 4096 !== 0 || offset % 4096 !== 0) {
      // FWUG says 4 KiB.
      command.failField(NVME_STATUS.INVALID_FIELD, lengthBytes % 4096 !== 0 ? 10 : 11, 0);
      return DONE;
    }
    const overlaps = this.#pieces.some(
      (piece) => offset < piece.offset + piece.lengthBytes && piece.offset < offset + lengthBytes,
    );
    if (overlaps && offset !== 0) {
      command.fail(NVME_STATUS.OVERLAPPING_RANGE);
      return DONE;
    }
    return this.#host.takeData(command, lengthBytes);
  }

  onData(command: Command, buffer: Memory, lengthBytes: number): void {
    const offset = FIRMWARE_DOWNLOAD_CDW11.OFST.of(command.dword(11)) * 4;
    if (offset === 0) {
      // A new image begins.
      this.#pieces = [];
      buffer.read(0, this.#head, 0, REVISION_BYTES);
    }
    this.#pieces.push({ offset, lengthBytes });
  }

  commit(command: Command): Status {
    const cdw10 = command.dword(10);
    const slot = FIRMWARE_COMMIT_CDW10.FS.of(cdw10);
    const action = FIRMWARE_COMMIT_CDW10.CA.of(cdw10);
    if (slot > FIRMWARE_SLOTS) {
      command.failField(NVME_STATUS.INVALID_FIRMWARE_SLOT, 10, 0);
      return DONE;
    }
    switch (action) {
      case FIRMWARE_COMMIT_ACTION.REPLACE:
      case FIRMWARE_COMMIT_ACTION.REPLACE_AND_ACTIVATE_AT_RESET:
        this.#replace(command, slot, action !== FIRMWARE_COMMIT_ACTION.REPLACE);
        return DONE;
      case FIRMWARE_COMMIT_ACTION.ACTIVATE_AT_RESET:
      case FIRMWARE_COMMIT_ACTION.ACTIVATE_NOW:
        this.#activate(command, slot, action === FIRMWARE_COMMIT_ACTION.ACTIVATE_NOW);
        return DONE;
      default:
        // No boot partitions; the others are reserved.
        command.failField(NVME_STATUS.INVALID_FIELD, 10, 3);
        return DONE;
    }
  }

  /** The Firmware Slot Information log. */
  page(): Uint8Array {
    const bytes = new Uint8Array(FIRMWARE_SLOT_LOG.sizeBytes);
    const view = new DataView(bytes.buffer);
    FIRMWARE_AFI.CAFS.write(view, this.#active);
    FIRMWARE_AFI.NAFS.write(view, this.#next);
    this.#slots.forEach((revision, index) => {
      if (revision !== null) {
        for (let i = 0; i < REVISION_BYTES; i++) {
          bytes[FIRMWARE_FRS.at(index) + i] = i < revision.length ? revision.charCodeAt(i) : 0x20;
        }
      }
    });
    return bytes;
  }

  /** Whether the pieces are one image without holes, and its head a revision. */
  #imageRevision(): string | null {
    const sorted = [...this.#pieces].sort((a, b) => a.offset - b.offset);
    let end = 0;
    for (const piece of sorted) {
      if (piece.offset !== end) {
        return null;
      }
      end += piece.lengthBytes;
    }
    const text = String.fromCharCode(...this.#head);
    return end > 0 && /^[\x20-\x7e]{8}$/.test(text) ? text.trimEnd() : null;
  }

  #replace(command: Command, slot: number, isActivated: boolean): void {
    const revision = this.#imageRevision();
    this.#pieces = [];
    if (revision === null) {
      command.fail(NVME_STATUS.INVALID_FIRMWARE_IMAGE);
      return;
    }
    const free = this.#slots.indexOf(null);
    const chosen = slot !== 0 ? slot : free >= 0 ? free + 1 : (this.#active % FIRMWARE_SLOTS) + 1;
    this.#slots[chosen - 1] = revision;
    if (isActivated) {
      this.#next = chosen;
    }
  }

  #activate(command: Command, slot: number, isNow: boolean): void {
    // With action 3 a downloaded image may go into the slot first.
    if (isNow && this.#pieces.length > 0) {
      this.#replace(command, slot, false);
      if (command.status !== 0) {
        return;
      }
    }
    const chosen = slot === 0 ? this.#active : slot;
    if (this.#slots[chosen - 1] === null) {
      command.failField(NVME_STATUS.INVALID_FIRMWARE_SLOT, 10, 0);
      return;
    }
    if (isNow) {
      this.#host.events.report(ASYNC_EVENT.FIRMWARE_ACTIVATION_STARTING);
      this.#active = chosen;
      this.#next = 0;
    } else {
      this.#next = chosen;
    }
  }
}
