/**
 * The controller's properties as bytes: reset values, loads, and stores that do nothing but keep bits.
 *
 * Stores with an effect go to whoever has it: CC to `life-cycle.ts`, CMBMSC and the PMR's to `controller-memory.ts`, the masks to
 * `queues/interrupts.ts`. Follows NVM Express Base 2.1, section 3.1.4.
 */
import { ACQ, AQA, ASQ, CAP, CONTROLLER_PROPERTIES, CRTO, CSTS, VS } from '../../spec/nvme/index.ts';
import { type ResolvedOptions, VERSION_VALUE } from './options.ts';

/** CSTS.RDY may take that long, in units of 500 ms. */
const READY_TIMEOUT = 20;
/** CC.MPS up to pages of 64 KiB. */
const PAGE_ENCODING_MAX = 4;
/** CAP.CSS: the NVM command set, and from revision 2.0 on all that Identify lists. */
const CSS_NVM = 0b000_0001;
const CSS_ALL = 0b100_0000;

export class PropertyFile {
  readonly bytes = new Uint8Array(CONTROLLER_PROPERTIES.sizeBytes);
  readonly view = new DataView(this.bytes.buffer);
  readonly #options: ResolvedOptions;

  constructor(options: ResolvedOptions) {
    this.#options = options;
  }

  /** Values after any reset but a Controller Reset. Those of CMB and PMR are not here. */
  reset(): void {
    const { view } = this;
    const isSecond = this.#options.version === '2.0' || this.#options.version === '2.1';
    this.bytes.fill(0);
    CAP.MQES.write(view, this.#options.queueEntriesMax - 1);
    CAP.CQR.write(view, 1);
    CAP.AMS.write(view, 1);
    CAP.TO.write(view, READY_TIMEOUT);
    CAP.DSTRD.write(view, this.#options.doorbellStride);
    CAP.NSSRS.write(view, 1);
    CAP.CSS.write(view, isSecond ? CSS_NVM | CSS_ALL : CSS_NVM);
    CAP.MPSMAX.write(view, PAGE_ENCODING_MAX);
    CAP.CRMS.write(view, isSecond ? 1 : 0);
    CRTO.CRWMT.write(view, isSecond ? READY_TIMEOUT : 0);
    VS.setValue(view, VERSION_VALUE[this.#options.version]);
  }

  /** A load of 1, 2 or 4 bytes; zero behind the properties, where the doorbells are. */
  read(offset: number, lengthBytes: number): number {
    if (offset + lengthBytes > this.bytes.length) {
      return 0;
    }
    switch (lengthBytes) {
      case 1:
        return this.view.getUint8(offset);
      case 2:
        return this.view.getUint16(offset, true);
      default:
        return this.view.getUint32(offset, true);
    }
  }

  /** A dword store to AQA, ASQ, ACQ or CSTS. Others: no effect here. */
  write(offset: number, value: number): void {
    switch (offset) {
      case AQA.offset:
        this.view.setUint32(offset, (value & 0x0fff_0fff) >>> 0, true);
        break;
      case ASQ.offset:
      case ACQ.offset:
        this.view.setUint32(offset, (value & 0xffff_f000) >>> 0, true);
        break;
      case ASQ.offset + 4:
      case ACQ.offset + 4:
        this.view.setUint32(offset, value, true);
        break;
      case CSTS.offset:
        if (CSTS.NSSRO.of(value) === 1) {
          CSTS.NSSRO.write(this.view, 0);
        }
        break;
      default:
        break;
    }
  }
}
