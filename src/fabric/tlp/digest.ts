/** A digest of everything that a listener hears: same lab, same seed, same digest. FNV-1a over the fields of each packet. */
import type { TlpEvent, TlpKind, TlpListener } from './trace.ts';

const KIND_CODE: Readonly<Record<TlpKind, number>> = {
  MWr: 1,
  MRd: 2,
  CplD: 3,
  Cpl: 4,
  CfgRd0: 5,
  CfgWr0: 6,
  CfgRd1: 7,
  CfgWr1: 8,
  Msg: 9,
};

const FNV_OFFSET = 0x811c_9dc5;
const FNV_PRIME = 0x0100_0193;

export class TraceDigest implements TlpListener {
  #low = FNV_OFFSET;
  #high = FNV_OFFSET ^ 0x5bd1_e995;
  #count = 0;

  /** Packets heard. */
  get count(): number {
    return this.#count;
  }

  /** 16 hexadecimal digits. */
  get value(): string {
    return (this.#high >>> 0).toString(16).padStart(8, '0') + (this.#low >>> 0).toString(16).padStart(8, '0');
  }

  onTlp(event: TlpEvent): void {
    this.#count++;
    this.#word(KIND_CODE[event.kind]);
    this.#word(event.requesterId);
    this.#word(event.tag);
    this.#number(event.addr);
    this.#word(event.lengthDw);
    this.#word(
      event.firstEnables |
        (event.lastEnables << 4) |
        (event.traffic << 8) |
        ((event.isTranslated ? 1 : 0) << 9) |
        (event.completionStatus << 10),
    );
    this.#number(event.atPs);
    for (const stop of event.path) {
      this.#word(stop.routingId);
    }
  }

  #number(value: number): void {
    this.#word(Number.isFinite(value) ? value % 0x1_0000_0000 : 0xffff_ffff);
    this.#word(Number.isFinite(value) ? Math.floor(value / 0x1_0000_0000) : 0xffff_ffff);
  }

  #word(value: number): void {
    this.#low = Math.imul(this.#low ^ (value & 0xffff), FNV_PRIME);
    this.#low = Math.imul(this.#low ^ (value >>> 16), FNV_PRIME);
    this.#high = Math.imul(this.#high ^ this.#low ^ value, FNV_PRIME);
    this.#high ^= this.#high >>> 15;
  }
}
