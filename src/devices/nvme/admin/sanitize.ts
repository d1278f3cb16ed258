/**
 * Sanitize: erases the whole subsystem while every other use of it is refused. Follows NVM Express Base 2.1, sections 5.1.22 and
 * 8.1.24.
 *
 * Takes its time on the deadline clock; a reset does not stop it. `failNext` makes the next one fail, after which only
 * another sanitize or, where AUSE was set, leaving failure mode helps.
 */
import { DONE, type EventHandler, type Status } from '../../../fabric/index.ts';
import {
  ADMIN_OPCODE,
  NVME_STATUS,
  SANITIZE_ACTION,
  SANITIZE_CDW10,
  SANITIZE_LOG,
  SANITIZE_SCDW10,
  SANITIZE_SPROG,
  SANITIZE_SSTAT,
} from '../../../spec/nvme/index.ts';
import type { Command } from '../command.ts';
import type { Namespace } from '../media/index.ts';
import { type NvmSubsystem, SANITIZE_OUTCOME } from '../subsystem.ts';
import type { AdminHost } from './admin-host.ts';

const DURATION_PS = 2e12;
/** Between two looks whether old commands have ended. */
const IDLE_PS = 1e9;
/** Estimates in the log, seconds. */
const ESTIMATES_AT = 8;
const ESTIMATE_COUNT = 7;
const NO_ESTIMATE = 0xffff_ffff;

/** Admin commands that go on during a sanitize, and after one that failed. NVM Express Base 2.1, figure 663. */
const ALLOWED: ReadonlySet<number> = new Set([
  ADMIN_OPCODE.DELETE_IO_SQ,
  ADMIN_OPCODE.CREATE_IO_SQ,
  ADMIN_OPCODE.GET_LOG_PAGE,
  ADMIN_OPCODE.DELETE_IO_CQ,
  ADMIN_OPCODE.CREATE_IO_CQ,
  ADMIN_OPCODE.IDENTIFY,
  ADMIN_OPCODE.ABORT,
  ADMIN_OPCODE.SET_FEATURES,
  ADMIN_OPCODE.GET_FEATURES,
  ADMIN_OPCODE.ASYNCHRONOUS_EVENT_REQUEST,
  ADMIN_OPCODE.KEEP_ALIVE,
  ADMIN_OPCODE.DOORBELL_BUFFER_CONFIG,
]);

export class Sanitize implements EventHandler {
  readonly #host: AdminHost;
  failNext = false;

  constructor(host: AdminHost) {
    this.#host = host;
  }

  get #state(): NvmSubsystem['sanitize'] {
    return this.#host.subsystem.sanitize;
  }

  /** Fails a command that a sanitize forbids. @returns whether it did */
  forbids(command: Command): boolean {
    const { outcome } = this.#state;
    if (outcome !== SANITIZE_OUTCOME.RUNNING && outcome !== SANITIZE_OUTCOME.FAILED) {
      return false;
    }
    const isSanitize = command.opcode === ADMIN_OPCODE.SANITIZE;
    if (ALLOWED.has(command.opcode) || (isSanitize && outcome === SANITIZE_OUTCOME.FAILED)) {
      return false;
    }
    command.failForNow(
      outcome === SANITIZE_OUTCOME.RUNNING ? NVME_STATUS.SANITIZE_IN_PROGRESS : NVME_STATUS.SANITIZE_FAILED,
    );
    return true;
  }

  start(command: Command): Status {
    const cdw10 = command.dword(10);
    const action = SANITIZE_CDW10.SANACT.of(cdw10);
    const state = this.#state;
    if (action === SANITIZE_ACTION.EXIT_FAILURE_MODE) {
      if (state.outcome === SANITIZE_OUTCOME.FAILED && !state.isAllowedToFail) {
        command.fail(NVME_STATUS.SANITIZE_FAILED);
      } else if (state.outcome === SANITIZE_OUTCOME.FAILED) {
        state.outcome = SANITIZE_OUTCOME.NEVER;
        this.#updateGates();
      }
      return DONE;
    }
    if (action < SANITIZE_ACTION.BLOCK_ERASE || action > SANITIZE_ACTION.CRYPTO_ERASE) {
      command.failField(NVME_STATUS.INVALID_FIELD, 10, 0);
      return DONE;
    }
    state.outcome = SANITIZE_OUTCOME.RUNNING;
    state.progress = 0;
    state.cdw10 = cdw10;
    state.isAllowedToFail = SANITIZE_CDW10.AUSE.of(cdw10) === 1;
    this.#host.selfTest.onFormat();
    this.#updateGates();
    this.#host.executor.timer(DURATION_PS, this, 0, 0);
    return DONE;
  }

  onEvent(): void {
    const state = this.#state;
    const { subsystem } = this.#host;
    if (!subsystem.entries().every((entry) => subsystem.isIdle(entry.namespace.nsid))) {
      this.#host.executor.timer(IDLE_PS, this, 0, 0);
      return;
    }
    state.progress = 0xffff;
    if (this.failNext) {
      this.failNext = false;
      state.outcome = SANITIZE_OUTCOME.FAILED;
      this.#updateGates();
    } else {
      state.outcome = SANITIZE_OUTCOME.DONE;
      state.isErased = true;
      for (const { namespace } of this.#host.subsystem.entries()) {
        eraseAll(namespace);
      }
      this.#updateGates();
    }
    for (const member of this.#host.subsystem.members()) {
      member.onSanitized();
    }
  }

  /** The Sanitize Status log. */
  page(): Uint8Array {
    const bytes = new Uint8Array(SANITIZE_LOG.sizeBytes);
    const view = new DataView(bytes.buffer);
    const state = this.#state;
    SANITIZE_SPROG.setValue(view, state.progress);
    SANITIZE_SSTAT.SOS.write(view, state.outcome);
    SANITIZE_SSTAT.GDE.write(view, state.isErased ? 1 : 0);
    SANITIZE_SCDW10.setValue(view, state.cdw10);
    for (let i = 0; i < ESTIMATE_COUNT; i++) {
      view.setUint32(ESTIMATES_AT + 4 * i, NO_ESTIMATE, true);
    }
    return bytes;
  }

  #updateGates(): void {
    for (const member of this.#host.subsystem.members()) {
      member.updateIoGate();
    }
  }
}

/** All content gone, the format kept. */
export function eraseAll(namespace: Namespace): void {
  namespace.reformat({
    index: namespace.formatIndex,
    isExtended: namespace.isExtended,
    piType: namespace.piType,
    isPiFirst: namespace.isPiFirst,
  });
}
