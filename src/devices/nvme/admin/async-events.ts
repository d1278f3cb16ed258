/**
 * Asynchronous events: Event Requests that wait, and events that wait for a request.
 *
 * An event that was reported masks all that share its log page until the host has read that page (without RAE). The same
 * event does not wait twice. Follows NVM Express Base 2.1, section 5.1.2.
 */
import { DONE, PENDING, type Status } from '../../../fabric/index.ts';
import { type AsyncEvent, asyncEventDword, NVME_STATUS } from '../../../spec/nvme/index.ts';
import type { Command } from '../command.ts';

/** AERL is one less. */
export const EVENT_REQUESTS_MAX = 8;

export class AsyncEvents {
  readonly #complete: (command: Command) => void;
  #requests: Command[] = [];
  #waiting: AsyncEvent[] = [];
  /** Log pages whose events are masked. */
  readonly #masked = new Set<number>();
  /** Feature Asynchronous Event Configuration. */
  configuration = 0;

  constructor(complete: (command: Command) => void) {
    this.#complete = complete;
  }

  get requestCount(): number {
    return this.#requests.length;
  }

  /** For people: events that no request has taken. */
  get waitingCount(): number {
    return this.#waiting.length;
  }

  /** An Asynchronous Event Request. */
  request(command: Command): Status {
    if (this.#requests.length >= EVENT_REQUESTS_MAX) {
      command.fail(NVME_STATUS.ASYNC_EVENT_LIMIT_EXCEEDED);
      return DONE;
    }
    this.#requests.push(command);
    this.#deliver();
    return PENDING;
  }

  /** Something happened. Without effect when the host does not want to hear of it. */
  report(event: AsyncEvent): void {
    if (event.enable !== null && (this.configuration & (1 << event.enable)) === 0) {
      return;
    }
    const isSame = (other: AsyncEvent): boolean =>
      other.type === event.type && other.information === event.information;
    if (!this.#waiting.some(isSame)) {
      this.#waiting.push(event);
      this.#deliver();
    }
  }

  /** The host has read a log page. */
  onLogRead(logPage: number): void {
    if (this.#masked.delete(logPage)) {
      this.#deliver();
    }
  }

  /** @returns whether an Event Request with that identifier was waiting; it then completes with ABORT_REQUESTED */
  abort(cid: number): boolean {
    const index = this.#requests.findIndex((command) => command.cid === cid);
    if (index < 0) {
      return false;
    }
    const [command] = this.#requests.splice(index, 1);
    command!.failForNow(NVME_STATUS.ABORT_REQUESTED);
    this.#complete(command!);
    return true;
  }

  /** Gives the slots of waiting requests back and forgets all events. */
  reset(): void {
    const requests = this.#requests;
    this.#requests = [];
    this.#waiting = [];
    this.#masked.clear();
    this.configuration = 0;
    for (const command of requests) {
      this.#complete(command);
    }
  }

  /** Forgets requests whose slots are gone already. */
  forget(): void {
    this.#requests = [];
    this.reset();
  }

  #deliver(): void {
    for (let i = 0; i < this.#waiting.length && this.#requests.length > 0; ) {
      const event = this.#waiting[i]!;
      if (event.logPage !== 0 && this.#masked.has(event.logPage)) {
        i++;
        continue;
      }
      this.#waiting.splice(i, 1);
      if (event.logPage !== 0) {
        this.#masked.add(event.logPage);
      }
      const command = this.#requests.shift()!;
      command.dw0 = asyncEventDword(event);
      this.#complete(command);
    }
  }
}
