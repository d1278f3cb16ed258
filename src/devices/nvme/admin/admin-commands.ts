/**
 * Admin commands: which handler an opcode has, what data it takes, and what a failed command leaves behind.
 *
 * Security Send and Receive, Virtualization Management, NVMe-MI, Lockdown, Get LBA Status and migration are not offered and
 * answer Invalid Command Opcode. Follows NVM Express Base 2.1, section 5.
 */
import { assert } from '../../../base/index.ts';
import {
  DONE,
  type EventHandler,
  Memory,
  PENDING,
  type Status,
  type TimerId,
} from '../../../fabric/index.ts';
import {
  ADMIN_OPCODE,
  DIRECTIVE_CDW10,
  DIRECTIVE_CDW11,
  DIRECTIVE_OPERATION,
  DIRECTIVE_TYPE,
  mdtsBytes,
  NVME_STATUS,
} from '../../../spec/nvme/index.ts';
import type { Command, TransferTarget } from '../command.ts';
import type { CommandExecutor } from '../queues/dispatcher.ts';
import type { AdminHost } from './admin-host.ts';
import { identify } from './identify.ts';
import { LogPages } from './log-pages.ts';
import {
  attachNamespace,
  changeAttachment,
  createNamespace,
  formatNvm,
  manageNamespace,
} from './namespace-commands.ts';
import {
  abort,
  createCompletionQueue,
  createSubmissionQueue,
  deleteCompletionQueue,
  deleteSubmissionQueue,
  doorbellBufferConfig,
} from './queue-commands.ts';
import { Sanitize } from './sanitize.ts';

/** Bytes of a transfer when MDTS sets no limit: firmware and logs are never larger. */
const TRANSFER_BYTES_MAX = 2 ** 22;
/** Between two tries of a command that waits for others to end, and the most tries. */
const RETRY_PS = 1e6;
const RETRIES_MAX = 100_000;
/** Identify directive, Return Parameters. NVM Express Base 2.1, 8.1.8.2. */
const DIRECTIVE_PARAMETERS_BYTES = 4096;

export class AdminCommands implements CommandExecutor, TransferTarget, EventHandler {
  readonly sanitize: Sanitize;
  readonly #host: AdminHost;
  readonly #logs: LogPages;
  /** Data that a slot takes from the host. */
  readonly #buffers = new Map<number, Memory>();
  /** Commands that are tried again. */
  readonly #retries = new Map<number, { readonly command: Command; readonly timer: TimerId }>();

  constructor(host: AdminHost) {
    this.#host = host;
    this.sanitize = new Sanitize(host);
    this.#logs = new LogPages(host, this.sanitize);
  }

  execute(command: Command): Status {
    command.onDone = this;
    if (this.sanitize.forbids(command)) {
      return DONE;
    }
    const status = this.#dispatch(command);
    if (status === DONE) {
      this.#buffers.delete(command.index);
    }
    return status;
  }

  /** Starts to take data; see AdminHost. */
  takeData(command: Command, lengthBytes: number): Status {
    const limit = mdtsBytes(this.#host.options.mdts, 0) ?? TRANSFER_BYTES_MAX;
    if (lengthBytes > limit) {
      command.failField(NVME_STATUS.INVALID_FIELD, 10, 0);
      return DONE;
    }
    const buffer = Memory.flat(lengthBytes);
    this.#buffers.set(command.index, buffer);
    const status = this.#host.data.fromHost(command, buffer, 0, lengthBytes);
    if (status === DONE) {
      this.#onData(command);
    }
    return status;
  }

  /** A transfer that was PENDING is over. */
  onTransfer(command: Command): void {
    this.#onData(command);
    this.#host.complete(command);
  }

  /** See AdminHost. */
  retryLater(command: Command): Status {
    if (command.isAbortWanted || ++command.counter > RETRIES_MAX) {
      command.failForNow(command.isAbortWanted ? NVME_STATUS.ABORT_REQUESTED : NVME_STATUS.INTERNAL_ERROR);
      this.#unblock();
      return DONE;
    }
    const timer = this.#host.executor.timer(RETRY_PS, this, 0, command.index);
    this.#retries.set(command.index, { command, timer });
    return PENDING;
  }

  onEvent(_code: number, slot: number): void {
    const { command } = this.#retries.get(slot)!;
    this.#retries.delete(slot);
    if (this.execute(command) === DONE) {
      this.#host.complete(command);
    }
  }

  /** Forgets what is under way: the slots are gone. */
  reset(): void {
    this.#buffers.clear();
    for (const { timer } of this.#retries.values()) {
      this.#host.executor.cancel(timer);
    }
    this.#retries.clear();
    this.#unblock();
  }

  #unblock(): void {
    for (const { namespace } of this.#host.subsystem.entries()) {
      namespace.blockedStatus = 0;
    }
  }

  #onData(command: Command): void {
    const buffer = this.#buffers.get(command.index);
    this.#buffers.delete(command.index);
    // Without a buffer the data went to the host and nothing is left to do.
    if (buffer === undefined || command.status !== 0) {
      return;
    }
    switch (command.opcode) {
      case ADMIN_OPCODE.SET_FEATURES:
        this.#host.features.onData(command, buffer);
        break;
      case ADMIN_OPCODE.FIRMWARE_IMAGE_DOWNLOAD:
        this.#host.firmware.onData(command, buffer, buffer.sizeBytes);
        break;
      case ADMIN_OPCODE.NAMESPACE_MANAGEMENT:
        createNamespace(this.#host, command, buffer);
        break;
      case ADMIN_OPCODE.NAMESPACE_ATTACHMENT:
        changeAttachment(this.#host, command, buffer);
        break;
      default:
        assert(false, 'data came for a command that takes none', { opcode: command.opcode });
    }
  }

  #dispatch(command: Command): Status {
    const host = this.#host;
    switch (command.opcode) {
      case ADMIN_OPCODE.IDENTIFY:
        return identify(host, command);
      case ADMIN_OPCODE.CREATE_IO_CQ:
        return createCompletionQueue(host, command);
      case ADMIN_OPCODE.CREATE_IO_SQ:
        return createSubmissionQueue(host, command);
      case ADMIN_OPCODE.DELETE_IO_CQ:
        return deleteCompletionQueue(host, command);
      case ADMIN_OPCODE.DELETE_IO_SQ:
        return deleteSubmissionQueue(host, command);
      case ADMIN_OPCODE.GET_FEATURES:
        return host.features.get(command);
      case ADMIN_OPCODE.SET_FEATURES:
        return host.features.set(command);
      case ADMIN_OPCODE.GET_LOG_PAGE:
        return this.#logs.get(command);
      case ADMIN_OPCODE.ASYNCHRONOUS_EVENT_REQUEST:
        return host.events.request(command);
      case ADMIN_OPCODE.ABORT:
        return abort(host, command);
      case ADMIN_OPCODE.DOORBELL_BUFFER_CONFIG:
        return doorbellBufferConfig(host, command);
      case ADMIN_OPCODE.FORMAT_NVM:
        return formatNvm(host, command);
      case ADMIN_OPCODE.NAMESPACE_MANAGEMENT:
        return manageNamespace(host, command);
      case ADMIN_OPCODE.NAMESPACE_ATTACHMENT:
        return attachNamespace(host, command);
      case ADMIN_OPCODE.DEVICE_SELF_TEST:
        return host.selfTest.start(command);
      case ADMIN_OPCODE.SANITIZE:
        return this.sanitize.start(command);
      case ADMIN_OPCODE.FIRMWARE_IMAGE_DOWNLOAD:
        return host.firmware.download(command);
      case ADMIN_OPCODE.FIRMWARE_COMMIT:
        return host.firmware.commit(command);
      case ADMIN_OPCODE.KEEP_ALIVE:
        host.keepAlive();
        return DONE;
      case ADMIN_OPCODE.DIRECTIVE_RECEIVE:
        return this.#directiveReceive(command);
      case ADMIN_OPCODE.DIRECTIVE_SEND:
        // The Identify directive alone is there, and it cannot be switched.
        command.failField(NVME_STATUS.INVALID_FIELD, 11, 0);
        return DONE;
      default:
        command.failField(NVME_STATUS.INVALID_OPCODE, 0, 0);
        return DONE;
    }
  }

  #directiveReceive(command: Command): Status {
    const cdw11 = command.dword(11);
    const isParameters =
      DIRECTIVE_CDW11.DTYPE.of(cdw11) === DIRECTIVE_TYPE.IDENTIFY &&
      DIRECTIVE_CDW11.DOPER.of(cdw11) === DIRECTIVE_OPERATION.RECEIVE_IDENTIFY_PARAMETERS;
    if (!isParameters) {
      command.failField(NVME_STATUS.INVALID_FIELD, 11, 0);
      return DONE;
    }
    const asked = (DIRECTIVE_CDW10.NUMD.of(command.dword(10)) + 1) * 4;
    const bytes = new Uint8Array(DIRECTIVE_PARAMETERS_BYTES);
    // Supported, enabled, persistent: 32 bytes each; bit 0 is the Identify directive itself.
    bytes[0] = 1;
    bytes[32] = 1;
    return this.#host.data.toHost(command, Memory.over(bytes), 0, Math.min(asked, bytes.length));
  }
}
