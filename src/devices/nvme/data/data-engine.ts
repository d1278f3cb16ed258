/**
 * Moves the payload of commands between the controller's own memory (media, staging, identify data) and wherever the
 * command's data pointer says: the bus, or the controller's own CMB and PMR, which never reach the bus.
 *
 * A buffer is described first, to its end, and moved then: a command whose lists are wrong has moved nothing. Neighbouring
 * pages are one request; up to WINDOW requests of a command are under way at once.
 *
 * Lists are TRAFFIC.CONTROL, payload is TRAFFIC.DATA. Leaves out limits on the length (MDTS is the caller's). A failed read
 * of the bus leaves the bytes of `local` that it was for undefined.
 *
 * Follows NVM Express Base 2.1, sections 4.1.1 and 4.3, and for the CMB 3.1.4.11, 3.1.4.12 and 8.2.1.
 */

import { addressFromDwords } from '../../../base/index.ts';
import {
  DMA_STATUS,
  DONE,
  type FunctionPort,
  type Memory,
  PENDING,
  type Status,
  TRAFFIC,
} from '../../../fabric/index.ts';
import { CDW0, MPTR, NVME_STATUS, PSDT, SGL_DESCRIPTOR_BYTES } from '../../../spec/nvme/index.ts';
import type { Command } from '../command.ts';
import type { ControllerServices } from '../services.ts';
import { type SegmentSink, walkPrp, walkPrpList } from './prp.ts';
import { walkMetadataSgl, walkSgl, walkSglSegments } from './sgl.ts';
import { PHASE, Transfer, USED, WALK } from './transfer.ts';

/** Requests of one command that may be under way. */
export const WINDOW = 64;

/** What the engine needs of the controller. */
export type DataServices = Pick<ControllerServices, 'port' | 'pageBytes' | 'cmbUse' | 'localAddress'> & {
  readonly options: { readonly hasSgl: boolean };
};

export class DataEngine implements SegmentSink {
  readonly #services: DataServices;
  readonly #commands: readonly Command[];
  readonly #transfers: (Transfer | undefined)[];

  /** @param commands  all slots of the pool; `command.index` is the place in it */
  constructor(services: DataServices, commands: readonly Command[]) {
    this.#services = services;
    this.#commands = commands;
    this.#transfers = new Array<Transfer | undefined>(commands.length).fill(undefined);
  }

  /**
   * Moves `lengthBytes` from `local` to the buffer that DPTR describes. While it is PENDING the range of `local` must stay
   * as it is.
   *
   * @param allowedBytes  how many of them may be sent by now, from the start; `allow` follows for the others
   * @returns DONE: see `command.status`; PENDING: `command.onDone.onTransfer(command)` follows
   */
  toHost(
    command: Command,
    local: Memory,
    localOffset: number,
    lengthBytes: number,
    allowedBytes = Number.POSITIVE_INFINITY,
  ): Status {
    return this.#start(command, true, local, localOffset, lengthBytes, allowedBytes);
  }

  /** So many bytes of a `toHost` under way may be sent from now on. No effect on one that is over. */
  allow(command: Command, allowedBytes: number): void {
    const transfer = this.#transfers[command.index];
    if (transfer === undefined || transfer.phase === PHASE.IDLE) {
      return;
    }
    transfer.allowedBytes = allowedBytes;
    if (transfer.phase === PHASE.MOVE && this.#move(command, transfer) === DONE) {
      command.onDone.onTransfer(command);
    }
  }

  /** Moves `lengthBytes` from the buffer that DPTR describes into `local`, which nobody else may use meanwhile. As `toHost`. */
  fromHost(command: Command, local: Memory, localOffset: number, lengthBytes: number): Status {
    return this.#start(command, false, local, localOffset, lengthBytes, Number.POSITIVE_INFINITY);
  }

  /** As `toHost`, to the buffer that MPTR describes. Comes after the data of the same command. */
  metadataToHost(command: Command, local: Memory, localOffset: number, lengthBytes: number): Status {
    return this.#startMetadata(command, true, local, localOffset, lengthBytes);
  }

  metadataFromHost(command: Command, local: Memory, localOffset: number, lengthBytes: number): Status {
    return this.#startMetadata(command, false, local, localOffset, lengthBytes);
  }

  /** A request with a command's token is over. */
  onDma(token: number, status: Status): void {
    const transfer = this.#transfers[token];
    if (transfer === undefined || transfer.phase === PHASE.IDLE) {
      return;
    }
    const command = this.#commands[token]!;
    transfer.outstanding--;
    if (status < 0) {
      failTransfer(command, status);
    }
    const result =
      transfer.phase === PHASE.FETCH
        ? this.#afterWalk(command, transfer, this.#walkOn(command, transfer))
        : this.#move(command, transfer);
    if (result === DONE) {
      command.onDone.onTransfer(command);
    }
  }

  /** Whether requests of a command are under way: it may not be released. */
  isBusy(command: Command): boolean {
    const transfer = this.#transfers[command.index];
    return transfer !== undefined && transfer.phase !== PHASE.IDLE;
  }

  /** The function was reset or taken away: requests under way never end, nobody is told. */
  reset(): void {
    for (const transfer of this.#transfers) {
      if (transfer !== undefined) {
        transfer.phase = PHASE.IDLE;
        transfer.outstanding = 0;
      }
    }
  }

  addSegment(command: Command, transfer: Transfer, address: number, lengthBytes: number): boolean {
    const own = this.#services.localAddress(address, lengthBytes);
    const last = transfer.segmentCount - 1;
    if (own === null) {
      transfer.used |= USED.HOST;
      if (transfer.used !== USED.HOST && !this.#services.cmbUse.mayMix) {
        command.fail(NVME_STATUS.INVALID_CMB_USE);
        return false;
      }
      const position = transfer.walkedBytes;
      transfer.walkedBytes = position + lengthBytes;
      if (
        last >= 0 &&
        transfer.memories[last] === null &&
        transfer.addresses[last]! + transfer.lengths[last]! === address &&
        transfer.positions[last]! + transfer.lengths[last]! === position
      ) {
        transfer.lengths[last]! += lengthBytes;
        return true;
      }
      this.#append(transfer, position, lengthBytes, address, null, 0);
      return true;
    }
    if (own === 'invalid') {
      command.fail(NVME_STATUS.DATA_TRANSFER_ERROR);
      return false;
    }
    transfer.used |= USED.OWN;
    const use = this.#services.cmbUse;
    const isAllowed = own.kind === 'pmr' || (transfer.isToHost ? use.readData : use.writeData);
    if (!isAllowed || (transfer.used !== USED.OWN && !use.mayMix)) {
      command.fail(NVME_STATUS.INVALID_CMB_USE);
      return false;
    }
    this.#append(transfer, transfer.walkedBytes, lengthBytes, 0, own.memory, own.offset);
    transfer.walkedBytes += lengthBytes;
    return true;
  }

  fetchList(command: Command, transfer: Transfer, lengthBytes: number, entryBytes: number): Status {
    const buffer = transfer.listBuffer();
    const address = transfer.listAddress;
    transfer.listAddress = address + lengthBytes;
    transfer.listLeftBytes -= lengthBytes;
    transfer.listCount = lengthBytes / entryBytes;
    transfer.listIndex = 0;
    if (command.isAbortWanted) {
      command.failForNow(NVME_STATUS.ABORT_REQUESTED);
      return DONE;
    }
    const own = this.#services.localAddress(address, lengthBytes);
    if (own === 'invalid') {
      command.fail(NVME_STATUS.DATA_TRANSFER_ERROR);
      return DONE;
    }
    if (own !== null) {
      if (own.kind === 'cmb' && !this.#services.cmbUse.lists) {
        command.fail(NVME_STATUS.INVALID_CMB_USE);
        return DONE;
      }
      own.memory.copyTo(own.offset, buffer, 0, lengthBytes);
      return DONE;
    }
    const status = this.#services.port.dmaRead(
      address,
      buffer,
      0,
      lengthBytes,
      TRAFFIC.CONTROL,
      command.index,
    );
    if (status === PENDING) {
      transfer.outstanding = 1;
      transfer.phase = PHASE.FETCH;
    } else if (status < 0) {
      failTransfer(command, status);
    }
    return status === PENDING ? PENDING : DONE;
  }

  #start(
    command: Command,
    isToHost: boolean,
    local: Memory,
    localOffset: number,
    lengthBytes: number,
    allowedBytes: number,
  ): Status {
    const transfer = this.#transferOf(command);
    transfer.used = 0;
    prepare(transfer, isToHost, false, local, localOffset, lengthBytes);
    transfer.allowedBytes = allowedBytes;
    if (lengthBytes === 0) {
      return DONE;
    }
    const psdt = psdtOf(command);
    if (psdt === PSDT.PRP) {
      transfer.walk = WALK.PRP;
      return this.#afterWalk(command, transfer, walkPrp(this, command, transfer, this.#services.pageBytes));
    }
    // NVMe over PCIe Transport 1.1, 2.3: admin commands use PRPs.
    if (psdt > PSDT.SGL_MPTR_SGL || command.queueId === 0 || !this.#services.options.hasSgl) {
      command.failField(NVME_STATUS.INVALID_FIELD, CDW0.offset / 4, CDW0.PSDT.low);
      return DONE;
    }
    transfer.walk = WALK.SGL;
    return this.#afterWalk(command, transfer, walkSgl(this, command, transfer));
  }

  #startMetadata(
    command: Command,
    isToHost: boolean,
    local: Memory,
    localOffset: number,
    lengthBytes: number,
  ): Status {
    const transfer = this.#transferOf(command);
    prepare(transfer, isToHost, true, local, localOffset, lengthBytes);
    if (lengthBytes === 0) {
      return DONE;
    }
    const { view, base } = command;
    const low = view.getUint32(base + MPTR.offset, true);
    const address = addressFromDwords(low, view.getUint32(base + MPTR.offset + 4, true));
    const isSgl = psdtOf(command) === PSDT.SGL_MPTR_SGL;
    if ((low & (isSgl ? 7 : 3)) !== 0) {
      command.failField(NVME_STATUS.INVALID_FIELD, MPTR.offset / 4, 0);
      return DONE;
    }
    if (!isSgl) {
      transfer.walk = WALK.PRP;
      this.addSegment(command, transfer, address, lengthBytes);
      return this.#afterWalk(command, transfer, DONE);
    }
    transfer.walk = WALK.METADATA_SGL;
    transfer.listAddress = address;
    transfer.listLeftBytes = SGL_DESCRIPTOR_BYTES;
    return this.#afterWalk(command, transfer, walkMetadataSgl(this, command, transfer));
  }

  #walkOn(command: Command, transfer: Transfer): Status {
    if (command.status !== 0) {
      return DONE;
    }
    switch (transfer.walk) {
      case WALK.PRP:
        return walkPrpList(this, command, transfer, this.#services.pageBytes);
      case WALK.SGL:
        return walkSglSegments(this, command, transfer);
      case WALK.METADATA_SGL:
        return walkMetadataSgl(this, command, transfer);
    }
  }

  #afterWalk(command: Command, transfer: Transfer, status: Status): Status {
    if (status === PENDING) {
      return PENDING;
    }
    if (command.status !== 0) {
      transfer.phase = PHASE.IDLE;
      return DONE;
    }
    return this.#move(command, transfer);
  }

  /** Asks for segments until all are, or enough are under way. */
  #move(command: Command, transfer: Transfer): Status {
    const port: FunctionPort = this.#services.port;
    const local = transfer.local!;
    while (transfer.next < transfer.segmentCount && transfer.outstanding < WINDOW) {
      if (command.isAbortWanted) {
        command.failForNow(NVME_STATUS.ABORT_REQUESTED);
      }
      if (command.status !== 0) {
        break;
      }
      const i = transfer.next;
      const asked = transfer.askedBytes;
      const position = transfer.positions[i]! + asked;
      let length = transfer.lengths[i]! - asked;
      if (transfer.allowedBytes < position + length) {
        length = transfer.allowedBytes - position;
        if (length <= 0) {
          break;
        }
        transfer.askedBytes += length;
      } else {
        transfer.next++;
        transfer.askedBytes = 0;
      }
      const localOffset = transfer.localOffset + position;
      const memory = transfer.memories[i]!;
      if (memory !== null) {
        if (transfer.isToHost) {
          local.copyTo(localOffset, memory, transfer.memoryOffsets[i]! + asked, length);
        } else {
          memory.copyTo(transfer.memoryOffsets[i]! + asked, local, localOffset, length);
        }
        continue;
      }
      const address = transfer.addresses[i]! + asked;
      const status = transfer.isToHost
        ? port.dmaWrite(address, local, localOffset, length, TRAFFIC.DATA, command.index)
        : port.dmaRead(address, local, localOffset, length, TRAFFIC.DATA, command.index);
      if (status === PENDING) {
        transfer.outstanding++;
      } else if (status < 0) {
        failTransfer(command, status);
      }
    }
    if (transfer.outstanding > 0 || (command.status === 0 && transfer.next < transfer.segmentCount)) {
      transfer.phase = PHASE.MOVE;
      return PENDING;
    }
    transfer.phase = PHASE.IDLE;
    return DONE;
  }

  #append(
    transfer: Transfer,
    position: number,
    lengthBytes: number,
    address: number,
    memory: Memory | null,
    memoryOffset: number,
  ): void {
    const i = transfer.segmentCount++;
    if (i === transfer.addresses.length) {
      transfer.grow();
    }
    transfer.positions[i] = position;
    transfer.lengths[i] = lengthBytes;
    transfer.addresses[i] = address;
    transfer.memories[i] = memory;
    transfer.memoryOffsets[i] = memoryOffset;
  }

  #transferOf(command: Command): Transfer {
    const transfer = this.#transfers[command.index];
    if (transfer !== undefined) {
      return transfer;
    }
    const made = new Transfer();
    this.#transfers[command.index] = made;
    return made;
  }
}

function psdtOf(command: Command): number {
  return (command.view.getUint8(command.base + CDW0.offset + 1) >>> 6) & 3;
}

function prepare(
  transfer: Transfer,
  isToHost: boolean,
  isMetadata: boolean,
  local: Memory,
  localOffset: number,
  lengthBytes: number,
): void {
  transfer.isToHost = isToHost;
  transfer.isMetadata = isMetadata;
  transfer.local = local;
  transfer.localOffset = localOffset;
  transfer.lengthBytes = lengthBytes;
  transfer.walkedBytes = 0;
  transfer.listLeftBytes = 0;
  transfer.listCount = 0;
  transfer.listIndex = 0;
  transfer.descriptorCount = 0;
  transfer.segmentCount = 0;
  transfer.next = 0;
  transfer.askedBytes = 0;
  transfer.allowedBytes = Number.POSITIVE_INFINITY;
  transfer.outstanding = 0;
}

/** A request failed: of the fabric's reasons, those that are not about the address are pathing errors. */
function failTransfer(command: Command, status: Status): void {
  const isPath =
    status === DMA_STATUS.DISABLED || status === DMA_STATUS.GONE || status === DMA_STATUS.TIMEOUT;
  command.failForNow(isPath ? NVME_STATUS.CONTROLLER_PATHING_ERROR : NVME_STATUS.DATA_TRANSFER_ERROR);
}
