/**
 * One block target for several transfers at once: each gets a port with tokens of its own.
 *
 * A target has one `onDone` and is opened once (a second exclusive opening of a disk would be refused), while jobs that run
 * side by side each expect a target of their own. Ports make no object for a request. Who uses them sees to it that all
 * together stay below the target's `depthMax`.
 */
import type { BlockTarget, Failure, Span, Status } from '../../access/index.ts';
import type { Bdf } from '../../base/index.ts';

export class SharedTarget {
  readonly #target: BlockTarget;
  readonly #ports: Port[] = [];
  readonly #portsMax: number;

  /** @param portsMax  a token of a port times this, and the port's number, is the target's token */
  constructor(target: BlockTarget, portsMax: number) {
    this.#target = target;
    this.#portsMax = portsMax;
    target.onDone = (token, status) => {
      const port = this.#ports[token % portsMax]!;
      port.onDone(Math.floor(token / portsMax), status);
    };
  }

  /** A port; it stays open as long as the target. */
  open(): BlockTarget {
    const port = new Port(this.#target, this.#ports.length, this.#portsMax);
    this.#ports.push(port);
    return port;
  }
}

class Port implements BlockTarget {
  readonly #target: BlockTarget;
  readonly #number: number;
  readonly #portsMax: number;
  onDone: (token: number, status: Status) => void = () => {};

  constructor(target: BlockTarget, number: number, portsMax: number) {
    this.#target = target;
    this.#number = number;
    this.#portsMax = portsMax;
  }

  get label(): string {
    return this.#target.label;
  }

  get requesters(): readonly Bdf[] {
    return this.#target.requesters;
  }

  get sizeBytes(): number {
    return this.#target.sizeBytes;
  }

  get blockBytes(): number {
    return this.#target.blockBytes;
  }

  get maxTransferBytes(): number {
    return this.#target.maxTransferBytes;
  }

  get depthMax(): number {
    return this.#target.depthMax;
  }

  get isReadOnly(): boolean {
    return this.#target.isReadOnly;
  }

  read(offset: number, span: Span, spanOffset: number, length: number, token: number): Status {
    return this.#target.read(offset, span, spanOffset, length, this.#token(token));
  }

  write(offset: number, span: Span, spanOffset: number, length: number, token: number): Status {
    return this.#target.write(offset, span, spanOffset, length, this.#token(token));
  }

  flush(token: number): Status {
    return this.#target.flush(this.#token(token));
  }

  failure(token: number): Failure | undefined {
    return this.#target.failure(this.#token(token));
  }

  /** The target is its owner's to close. */
  async close(): Promise<void> {}

  #token(token: number): number {
    return token * this.#portsMax + this.#number;
  }
}
