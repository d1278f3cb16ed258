/**
 * Asynchronous events of one controller: requests that wait for an event, events that wait for a request.
 *
 * An event is reported once and then kept back until its log page has been read, as NVM Express Base 2.1, section 5.1.2, has it.
 */
import { type AsyncEvent, asyncEventDword, NVME_STATUS } from '../../spec/nvme/index.ts';
import { LATER, type Outcome, refuse, SUCCESS } from './outcome.ts';
import { STAGE, type TargetRequest } from './request.ts';

/** Requests that may wait at once: AERL + 1. */
export const EVENT_REQUESTS_MAX = 4;

export class EventDesk {
  readonly #complete: (request: TargetRequest, outcome: Outcome) => void;
  readonly #waiting: TargetRequest[] = [];
  readonly #pending: AsyncEvent[] = [];
  readonly #masked = new Set<AsyncEvent>();
  /** ASYNC_EVENT_CONFIG. */
  configuration = 0;

  constructor(complete: (request: TargetRequest, outcome: Outcome) => void) {
    this.#complete = complete;
  }

  /** An Asynchronous Event Request. */
  wait(request: TargetRequest): Outcome {
    if (this.#waiting.length >= EVENT_REQUESTS_MAX) {
      return refuse(NVME_STATUS.ASYNC_EVENT_LIMIT_EXCEEDED);
    }
    request.stage = STAGE.EVENT;
    this.#waiting.push(request);
    this.#serve();
    return LATER;
  }

  /** Something has happened. Events that the host did not enable, or has been told of already, are dropped. */
  report(event: AsyncEvent): void {
    const isEnabled = event.enable === null || (this.configuration >>> event.enable) % 2 === 1;
    if (!isEnabled || this.#masked.has(event) || this.#pending.includes(event)) {
      return;
    }
    this.#pending.push(event);
    this.#serve();
  }

  /** The host has read a log page without keeping its events back. */
  clear(logPage: number): void {
    for (const event of this.#masked) {
      if (event.logPage === logPage) {
        this.#masked.delete(event);
      }
    }
    for (let i = this.#pending.length - 1; i >= 0; i--) {
      if (this.#pending[i]!.logPage === logPage) {
        this.#pending.splice(i, 1);
      }
    }
  }

  /** The request does not wait any more. @returns false when it did not */
  forget(request: TargetRequest): boolean {
    const index = this.#waiting.indexOf(request);
    if (index < 0) {
      return false;
    }
    this.#waiting.splice(index, 1);
    return true;
  }

  #serve(): void {
    while (this.#waiting.length > 0) {
      const event = this.#pending.shift();
      if (event === undefined) {
        return;
      }
      this.#masked.add(event);
      const request = this.#waiting.shift()!;
      request.setResult(asyncEventDword(event));
      this.#complete(request, SUCCESS);
    }
  }
}
