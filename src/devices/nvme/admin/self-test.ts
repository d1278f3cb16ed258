/**
 * Device Self-test: one at a time, with its log of the last 20 results. Follows NVM Express Base 2.1, sections 5.1.5, 5.1.12.1.7
 * and 8.1.7.
 *
 * A test takes its time on the deadline clock, so it can be seen running and can be aborted in untimed machines too. It
 * passes unless `failNext` was set.
 */
import { DONE, type EventHandler, type Status, type TimerId } from '../../../fabric/index.ts';
import {
  DEVICE_SELF_TEST_CDW10,
  NSID_BROADCAST,
  NVME_STATUS,
  SELF_TEST_COMPLETION,
  SELF_TEST_LOG,
  SELF_TEST_OPERATION,
  SELF_TEST_RESULTS,
  SELF_TEST_STATUS,
} from '../../../spec/nvme/index.ts';
import type { Command } from '../command.ts';
import type { AdminHost } from './admin-host.ts';

const CODE = { SHORT: 1, EXTENDED: 2, ABORT: 0xf } as const;
const RESULT = { PASSED: 0, ABORTED: 1, RESET: 2, FORMATTED: 4, FAILED: 7, UNUSED: 0xf } as const;
const SHORT_PS = 30e12;
const EXTENDED_PS = 60e12;
/** Offsets in a result; SELF_TEST_RESULT names them. */
const POWER_ON_HOURS = 4;
const NSID_AT = 12;
const VALID_AT = 2;

interface Result {
  readonly code: number;
  readonly result: number;
  readonly nsid: number;
  readonly hours: number;
}

export class SelfTest implements EventHandler {
  readonly #host: AdminHost;
  readonly #results: Result[] = [];
  #code = 0;
  #nsid = 0;
  #startedPs = 0;
  #timer: TimerId = 0;
  /** The next test that ends by itself finds a fault. */
  failNext = false;

  constructor(host: AdminHost) {
    this.#host = host;
  }

  get isRunning(): boolean {
    return this.#code !== 0;
  }

  start(command: Command): Status {
    const code = DEVICE_SELF_TEST_CDW10.STC.of(command.dword(10));
    if (code !== CODE.SHORT && code !== CODE.EXTENDED && code !== CODE.ABORT) {
      command.failField(NVME_STATUS.INVALID_FIELD, 10, 0);
      return DONE;
    }
    const isAll = command.nsid === 0 || command.nsid === NSID_BROADCAST;
    if (!isAll && this.#host.namespace(command.nsid) === undefined) {
      const isValid = command.nsid <= this.#host.options.namespaceCountMax;
      command.failField(isValid ? NVME_STATUS.INVALID_FIELD : NVME_STATUS.INVALID_NAMESPACE, 1, 0);
      return DONE;
    }
    if (code === CODE.ABORT) {
      this.stop(RESULT.ABORTED);
      return DONE;
    }
    if (this.isRunning) {
      command.fail(NVME_STATUS.SELF_TEST_IN_PROGRESS);
      return DONE;
    }
    this.#code = code;
    this.#nsid = command.nsid;
    this.#startedPs = this.#host.executor.nowPs;
    this.#timer = this.#host.executor.timer(this.#durationPs, this, 0, 0);
    return DONE;
  }

  onEvent(): void {
    this.#timer = 0;
    const result = this.failNext ? RESULT.FAILED : RESULT.PASSED;
    this.failNext = false;
    this.stop(result);
  }

  /** A Controller Level Reset ends a short test; an extended one would go on, which nobody could tell from a new start. */
  reset(): void {
    this.stop(RESULT.RESET);
  }

  onFormat(): void {
    this.stop(RESULT.FORMATTED);
  }

  stop(result: number): void {
    if (!this.isRunning) {
      return;
    }
    this.#host.executor.cancel(this.#timer);
    this.#timer = 0;
    this.#results.unshift({
      code: this.#code,
      result,
      nsid: this.#nsid,
      hours: Math.floor(this.#host.poweredMs / 3_600_000),
    });
    this.#results.length = Math.min(this.#results.length, SELF_TEST_RESULTS.count);
    this.#code = 0;
  }

  page(): Uint8Array {
    const bytes = new Uint8Array(SELF_TEST_LOG.sizeBytes);
    const view = new DataView(bytes.buffer);
    SELF_TEST_OPERATION.CDSTO.write(view, this.#code);
    if (this.isRunning) {
      const elapsedPs = this.#host.executor.nowPs - this.#startedPs;
      SELF_TEST_COMPLETION.CDSTC.write(view, Math.min(99, Math.floor((100 * elapsedPs) / this.#durationPs)));
    }
    for (let i = 0; i < SELF_TEST_RESULTS.count; i++) {
      const at = SELF_TEST_RESULTS.at(i);
      const result = this.#results[i];
      SELF_TEST_STATUS.DSTR.write(view, result?.result ?? RESULT.UNUSED, at);
      if (result !== undefined) {
        SELF_TEST_STATUS.DSTC.write(view, result.code, at);
        view.setUint8(at + VALID_AT, 1);
        view.setUint32(at + POWER_ON_HOURS, result.hours, true);
        view.setUint32(at + NSID_AT, result.nsid, true);
      }
    }
    return bytes;
  }

  get #durationPs(): number {
    return this.#code === CODE.EXTENDED ? EXTENDED_PS : SHORT_PS;
  }
}
