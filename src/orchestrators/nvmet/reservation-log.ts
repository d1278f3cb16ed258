/** What one controller has to tell its host of reservations, read one page at a time. NVM Express Base 2.1, 5.1.12.1.32. */
import { RESERVATION_NOTIFICATION_LOG } from '../../spec/nvme/index.ts';

/** Further ones are lost, and the count of pages says so. */
const PAGES_MAX = 64;

export class ReservationLog {
  readonly #pages: { readonly count: number; readonly nsid: number; readonly kind: number }[] = [];
  #count = 0;

  /** @param kind  RESERVATION_NOTIFICATION */
  add(nsid: number, kind: number): void {
    this.#count++;
    if (this.#pages.length < PAGES_MAX) {
      this.#pages.push({ count: this.#count, nsid, kind });
    }
  }

  /** The oldest page, which is then gone unless it is to be kept; an empty page when there is none. */
  take(isKept: boolean): Uint8Array {
    const page = new Uint8Array(RESERVATION_NOTIFICATION_LOG.sizeBytes);
    const oldest = isKept ? this.#pages[0] : this.#pages.shift();
    if (oldest !== undefined) {
      const view = new DataView(page.buffer);
      view.setUint32(0, oldest.count, true);
      view.setUint8(8, oldest.kind);
      view.setUint8(9, Math.min(255, this.#pages.length - (isKept ? 1 : 0)));
      view.setUint32(12, oldest.nsid, true);
    }
    return page;
  }

  get isEmpty(): boolean {
    return this.#pages.length === 0;
  }
}
