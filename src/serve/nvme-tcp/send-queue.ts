/**
 * What could not be said yet because no memory was free to say it in, in the order in which it was to be said.
 *
 * Nothing is copied here: data stay in the span of their command.
 */
import type { Span } from '../../access/index.ts';
import type { TargetRequest } from '../../orchestrators/index.ts';

export const SEND_KIND = { RESPONSE: 0, DATA: 1, R2T: 2 } as const;

export class WaitingSend {
  kind: number = SEND_KIND.RESPONSE;
  request: TargetRequest | null = null;
  span: Span | null = null;
  spanOffsetBytes = 0;
  lengthBytes = 0;
  /** Of the data, already sent. */
  doneBytes = 0;
}

export class SendQueue {
  readonly #free: WaitingSend[] = [];
  #items: WaitingSend[] = [];
  #head = 0;

  get isEmpty(): boolean {
    return this.#head === this.#items.length;
  }

  first(): WaitingSend | undefined {
    return this.#items[this.#head];
  }

  push(
    kind: number,
    request: TargetRequest,
    span: Span | null = null,
    spanOffsetBytes = 0,
    lengthBytes = 0,
    doneBytes = 0,
  ): void {
    const waiting = this.#free.pop() ?? new WaitingSend();
    waiting.kind = kind;
    waiting.request = request;
    waiting.span = span;
    waiting.spanOffsetBytes = spanOffsetBytes;
    waiting.lengthBytes = lengthBytes;
    waiting.doneBytes = doneBytes;
    this.#items.push(waiting);
  }

  /** The first is done with. */
  shift(): void {
    const waiting = this.#items[this.#head]!;
    waiting.request = null;
    waiting.span = null;
    this.#free.push(waiting);
    this.#head++;
    if (this.isEmpty) {
      this.#items.length = 0;
      this.#head = 0;
    } else if (this.#head >= 1024) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
  }
}
