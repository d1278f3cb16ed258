/** DMA requests under way: which part of the NIC waits for each. */
import { type FunctionPort, type Memory, PENDING, type Status, type Traffic } from '../../fabric/index.ts';

export interface DmaClient {
  /** A request that returned PENDING is over. */
  onDmaDone(code: number, status: Status): void;
}

/** Requests at once, which is far more than there ever are. */
const TOKENS = 0x100_0000;

export class DmaTable {
  port: FunctionPort | undefined;
  readonly #clients: (DmaClient | null)[] = [];
  readonly #codes: number[] = [];
  readonly #free: number[] = [];
  /** Requests of an earlier run may still end: their tokens say so. */
  #run = 0;

  read(
    client: DmaClient,
    code: number,
    addr: number,
    local: Memory,
    localOffset: number,
    lengthBytes: number,
    traffic: Traffic,
  ): Status {
    const { port } = this;
    if (port === undefined) {
      return PENDING;
    }
    const token = this.#take(client, code);
    const status = port.dmaRead(addr, local, localOffset, lengthBytes, traffic, this.#run * TOKENS + token);
    if (status !== PENDING) {
      this.#give(token);
    }
    return status;
  }

  write(
    client: DmaClient,
    code: number,
    addr: number,
    local: Memory,
    localOffset: number,
    lengthBytes: number,
    traffic: Traffic,
  ): Status {
    const { port } = this;
    if (port === undefined) {
      return PENDING;
    }
    const token = this.#take(client, code);
    const status = port.dmaWrite(addr, local, localOffset, lengthBytes, traffic, this.#run * TOKENS + token);
    if (status !== PENDING) {
      this.#give(token);
    }
    return status;
  }

  onDma(token: number, status: Status): void {
    if (Math.floor(token / TOKENS) !== this.#run) {
      return;
    }
    const slot = token % TOKENS;
    const client = this.#clients[slot]!;
    const code = this.#codes[slot]!;
    this.#give(slot);
    client!.onDmaDone(code, status);
  }

  /** Nobody waits for what is under way any more. */
  clear(): void {
    this.#run++;
    this.#clients.length = 0;
    this.#codes.length = 0;
    this.#free.length = 0;
  }

  #take(client: DmaClient, code: number): number {
    const token = this.#free.pop() ?? this.#clients.length;
    this.#clients[token] = client;
    this.#codes[token] = code;
    return token;
  }

  #give(token: number): void {
    this.#clients[token] = null;
    this.#free.push(token);
  }
}
