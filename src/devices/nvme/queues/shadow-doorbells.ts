/**
 * Shadow doorbells: the host writes queue positions to memory and rings the real doorbell only when a position passes
 * EventIdx. Follows NVM Express Base 2.1, sections 5.2.5 and B.5.
 *
 * Looking at a position first says in EventIdx how far the controller has come and then reads: a host that moves on in
 * between sees the new EventIdx or is seen by the read, since a read does not pass the write before it.
 */
import { type FunctionPort, Memory, type Status, TRAFFIC } from '../../../fabric/index.ts';
import { TOKEN_POSTED, TOKEN_SHADOW } from './tokens.ts';

const ENTRY_BYTES = 8;
const VALUE_OFFSET = 4;

export class ShadowDoorbells {
  readonly #port: FunctionPort;
  readonly #strideBytes: number;
  /** EventIdx to write and position read, for each doorbell. */
  readonly #local: Memory;
  #values = 0;
  #events = 0;
  isOn = false;

  constructor(port: FunctionPort, doorbellCount: number, strideBytes: number) {
    this.#port = port;
    this.#strideBytes = strideBytes;
    this.#local = Memory.flat(doorbellCount * ENTRY_BYTES);
  }

  turnOn(values: number, events: number): void {
    this.#values = values;
    this.#events = events;
    this.isOn = true;
  }

  turnOff(): void {
    this.isOn = false;
  }

  /** Writes EventIdx of a doorbell. @returns PENDING when a write with TOKEN_POSTED is under way */
  tell(doorbell: number, position: number): Status {
    this.#local.setValue(doorbell * ENTRY_BYTES, 4, position);
    return this.#port.dmaWrite(
      this.#events + doorbell * this.#strideBytes,
      this.#local,
      doorbell * ENTRY_BYTES,
      4,
      TRAFFIC.CONTROL,
      TOKEN_POSTED,
    );
  }

  /** Starts to read a position; the token of a PENDING read is TOKEN_SHADOW plus `doorbell`. */
  look(doorbell: number): Status {
    return this.#port.dmaRead(
      this.#values + doorbell * this.#strideBytes,
      this.#local,
      doorbell * ENTRY_BYTES + VALUE_OFFSET,
      4,
      TRAFFIC.CONTROL,
      TOKEN_SHADOW + doorbell,
    );
  }

  /** What was read last. */
  valueOf(doorbell: number): number {
    return this.#local.getValue(doorbell * ENTRY_BYTES + VALUE_OFFSET, 4);
  }
}
