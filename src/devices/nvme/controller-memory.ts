/**
 * Controller Memory Buffer and Persistent Memory Region: their properties, when they are open, and which addresses are theirs.
 *
 * A CMB of revision 1.4 hides CMBLOC and CMBSZ until CMBMSC.CRE, and is recognised from CBA on while CMSE is set; a legacy one is
 * there from the start at its BAR address. A store to the high dword of CMBMSC is only kept; the low dword is what acts, so
 * drivers write high first. CMBMSC survives a Controller Reset and no other reset. Follows NVM Express Base 2.1, sections
 * 3.1.4.11 to 3.1.4.28 and 8.2.1, and what QEMU does where that is silent.
 */
import { ADDR_NOWHERE, addressFromDwords } from '../../base/index.ts';
import type { FunctionPort } from '../../fabric/index.ts';
import {
  CAP,
  CMBEBS,
  CMBLOC,
  CMBMSC,
  CMBSTS,
  CMBSWTP,
  CMBSZ,
  PMRCAP,
  PMRCTL,
  PMRMSCL,
  PMRMSCU,
  PMRSTS,
} from '../../spec/nvme/index.ts';
import type { BarLayout } from './bar-layout.ts';
import type { ResolvedCmb, ResolvedOptions } from './options.ts';
import type { CmbUse, LocalRange } from './services.ts';

const NO_USE: CmbUse = { lists: false, readData: false, writeData: false, mayMix: false };

export class ControllerMemory {
  readonly #options: ResolvedOptions;
  readonly #layout: BarLayout;
  readonly #view: DataView;
  readonly #range: LocalRange;
  #port: FunctionPort | undefined;
  // Windows by address; an empty one starts at ADDR_NOWHERE.
  #cmbStart = ADDR_NOWHERE;
  #cmbEnd = ADDR_NOWHERE;
  #pmrStart = ADDR_NOWHERE;
  #pmrEnd = ADDR_NOWHERE;
  #registersStart = ADDR_NOWHERE;
  #registersEnd = ADDR_NOWHERE;
  use: CmbUse = NO_USE;

  /** `properties` are the 4 KiB that the host reads. */
  constructor(options: ResolvedOptions, layout: BarLayout, properties: DataView) {
    this.#options = options;
    this.#layout = layout;
    this.#view = properties;
    const first = layout.cmb ?? layout.pmr;
    // Without either no range is ever handed out; any memory will do.
    this.#range = { kind: 'cmb', memory: first?.range.memory as never, offset: 0 };
  }

  attach(port: FunctionPort): void {
    this.#port = port;
  }

  /** Properties that do not change. CAP is shared with the controller. */
  initialise(): void {
    CAP.CMBS.write(this.#view, this.#options.cmb !== null && !this.#options.cmb.isLegacy ? 1 : 0);
    CAP.PMRS.write(this.#view, this.#options.pmr === null ? 0 : 1);
    if (this.#options.pmr !== null) {
      PMRCAP.RDS.write(this.#view, 1);
      PMRCAP.WDS.write(this.#view, 1);
      PMRCAP.BIR.write(this.#view, this.#options.pmr.bar);
      PMRCAP.PMRWBM.write(this.#view, 2);
      PMRCAP.PMRTO.write(this.#view, 1);
      PMRCAP.CMSS.write(this.#view, 1);
    }
    this.reset();
  }

  /** Any reset but a Controller Reset: CMBMSC and the PMR's properties go back; a CMB loses its content by power only. */
  reset(): void {
    CMBMSC.setValue(this.#view, 0);
    CMBSTS.setValue(this.#view, 0);
    PMRCTL.setValue(this.#view, 0);
    PMRMSCL.setValue(this.#view, 0);
    PMRMSCU.setValue(this.#view, 0);
    PMRSTS.setValue(this.#view, 0);
    PMRSTS.NRDY.write(this.#view, this.#options.pmr === null ? 0 : 1);
    this.#updateCmb();
    this.#updatePmr();
  }

  /** BARs or their decoding may have changed. */
  updateAddresses(): void {
    const base = this.#port?.barAddress(0) ?? ADDR_NOWHERE;
    this.#registersStart = base;
    this.#registersEnd = base + this.#layout.registerBytes;
    this.#updateWindow();
  }

  /** A dword store to one of the properties here. @returns false when it belongs to nobody here */
  write(offset: number, value: number): boolean {
    switch (offset) {
      case CMBMSC.offset + 4:
        if (this.#options.cmb !== null) {
          this.#view.setUint32(offset, value, true);
        }
        return true;
      case CMBMSC.offset:
        if (this.#options.cmb !== null) {
          // Bits 11:2 are reserved.
          this.#view.setUint32(offset, (value & 0xffff_f003) >>> 0, true);
          this.#updateCmb();
        }
        return true;
      case PMRCTL.offset:
        if (this.#options.pmr !== null) {
          PMRCTL.EN.write(this.#view, value & 1);
          if ((value & 1) === 0) {
            PMRMSCL.CMSE.write(this.#view, 0);
          }
          this.#updatePmr();
        }
        return true;
      case PMRMSCU.offset:
        if (this.#options.pmr !== null) {
          this.#view.setUint32(offset, value, true);
        }
        return true;
      case PMRMSCL.offset:
        if (this.#options.pmr !== null) {
          this.#view.setUint32(offset, (value & 0xffff_f002) >>> 0, true);
          this.#updatePmr();
        }
        return true;
      default:
        return false;
    }
  }

  /** See ControllerServices. */
  localAddress(addr: number, lengthBytes: number): LocalRange | null | 'invalid' {
    const end = addr + lengthBytes;
    if (addr < this.#cmbEnd && end > this.#cmbStart) {
      return this.#inWindow('cmb', addr, end, this.#cmbStart, this.#cmbEnd);
    }
    if (addr < this.#pmrEnd && end > this.#pmrStart) {
      return this.#inWindow('pmr', addr, end, this.#pmrStart, this.#pmrEnd);
    }
    return addr < this.#registersEnd && end > this.#registersStart ? 'invalid' : null;
  }

  #inWindow(
    kind: 'cmb' | 'pmr',
    addr: number,
    end: number,
    windowStart: number,
    windowEnd: number,
  ): LocalRange | null | 'invalid' {
    if (addr < windowStart || end > windowEnd) {
      return 'invalid';
    }
    this.#range.kind = kind;
    this.#range.memory = (kind === 'cmb' ? this.#layout.cmb : this.#layout.pmr)!.range.memory;
    this.#range.offset = addr - windowStart;
    return this.#range;
  }

  #updateCmb(): void {
    const cmb = this.#options.cmb;
    if (cmb === null) {
      return;
    }
    const isShown = cmb.isLegacy || CMBMSC.CRE.read(this.#view) === 1;
    this.#show(cmb, isShown);
    CMBSTS.CBAI.write(this.#view, 0);
    let isOpen = cmb.isLegacy;
    if (!cmb.isLegacy && isShown && CMBMSC.CMSE.read(this.#view) === 1) {
      const high = this.#view.getUint32(CMBMSC.offset + 4, true);
      const low = this.#view.getUint32(CMBMSC.offset, true) & 0xffff_f000;
      const last = BigInt(high) * 0x1_0000_0000n + BigInt(low >>> 0) + BigInt(cmb.sizeBytes) - 1n;
      isOpen = last < 2n ** 64n;
      CMBSTS.CBAI.write(this.#view, isOpen ? 0 : 1);
    }
    this.#port?.setOpen(this.#layout.cmb!.range, isOpen);
    this.use = isOpen
      ? {
          lists: cmb.supports.lists,
          readData: cmb.supports.readData,
          writeData: cmb.supports.writeData,
          mayMix: cmb.mayMix,
        }
      : NO_USE;
    this.#updateWindow();
  }

  #show(cmb: ResolvedCmb, isShown: boolean): void {
    const view = this.#view;
    for (const register of [CMBLOC, CMBSZ, CMBEBS, CMBSWTP]) {
      register.setValue(view, 0);
    }
    if (!isShown) {
      return;
    }
    const unitBytes = 4096 * 16 ** cmb.unit;
    CMBLOC.BIR.write(view, cmb.bar);
    CMBLOC.OFST.write(view, cmb.offsetBytes / unitBytes);
    for (const field of [CMBLOC.CDPMLS, CMBLOC.CDPCILS, CMBLOC.CDMMMS]) {
      field.write(view, cmb.mayMix ? 1 : 0);
    }
    CMBSZ.SQS.write(view, cmb.supports.submissionQueues ? 1 : 0);
    CMBSZ.CQS.write(view, cmb.supports.completionQueues ? 1 : 0);
    CMBSZ.LISTS.write(view, cmb.supports.lists ? 1 : 0);
    CMBSZ.RDS.write(view, cmb.supports.readData ? 1 : 0);
    CMBSZ.WDS.write(view, cmb.supports.writeData ? 1 : 0);
    CMBSZ.SZU.write(view, cmb.unit);
    CMBSZ.SZ.write(view, cmb.sizeBytes / unitBytes);
    const [elasticityUnit, elasticity] = inUnits(cmb.elasticityBytes);
    CMBEBS.CMBSZU.write(view, elasticityUnit);
    CMBEBS.CMBWBZ.write(view, elasticity);
    const [rateUnit, rate] = inUnits(cmb.writeBytesPerSecond);
    CMBSWTP.CMBSWTU.write(view, rateUnit);
    CMBSWTP.CMBSWTV.write(view, rate);
  }

  #updatePmr(): void {
    if (this.#options.pmr === null) {
      return;
    }
    const view = this.#view;
    const isOn = PMRCTL.EN.read(view) === 1;
    PMRSTS.NRDY.write(view, isOn ? 0 : 1);
    PMRSTS.CBAI.write(view, 0);
    if (isOn && PMRMSCL.CMSE.read(view) === 1) {
      const low = view.getUint32(PMRMSCL.offset, true) & 0xffff_f000;
      const last =
        BigInt(PMRMSCU.value(view)) * 0x1_0000_0000n +
        BigInt(low >>> 0) +
        BigInt(this.#options.pmr.sizeBytes) -
        1n;
      PMRSTS.CBAI.write(view, last < 2n ** 64n ? 0 : 1);
    }
    this.#port?.setOpen(this.#layout.pmr!.range, isOn);
    this.#updateWindow();
  }

  #updateWindow(): void {
    const view = this.#view;
    const { cmb, pmr } = this.#options;
    this.#cmbStart = ADDR_NOWHERE;
    if (cmb !== null) {
      if (cmb.isLegacy) {
        this.#cmbStart = (this.#port?.barAddress(cmb.bar) ?? ADDR_NOWHERE) + cmb.offsetBytes;
      } else if (
        CMBMSC.CRE.read(view) === 1 &&
        CMBMSC.CMSE.read(view) === 1 &&
        CMBSTS.CBAI.read(view) === 0
      ) {
        const low = view.getUint32(CMBMSC.offset, true) & 0xffff_f000;
        this.#cmbStart = addressFromDwords(low, view.getUint32(CMBMSC.offset + 4, true));
      }
      this.#cmbEnd = this.#cmbStart + cmb.sizeBytes;
    }
    this.#pmrStart = ADDR_NOWHERE;
    if (pmr !== null) {
      if (PMRCTL.EN.read(view) === 1 && PMRMSCL.CMSE.read(view) === 1 && PMRSTS.CBAI.read(view) === 0) {
        const low = view.getUint32(PMRMSCL.offset, true) & 0xffff_f000;
        this.#pmrStart = addressFromDwords(low, PMRMSCU.value(view));
      }
      this.#pmrEnd = this.#pmrStart + pmr.sizeBytes;
    }
  }
}

/** A number of bytes as CMBEBS and CMBSWTP say it: unit 1024^n, value of 24 bits, rounded down. */
function inUnits(bytes: number): readonly [number, number] {
  let unit = 0;
  while (unit < 3 && bytes / 1024 ** unit >= 2 ** 24) {
    unit++;
  }
  return [unit, Math.min(2 ** 24 - 1, Math.floor(bytes / 1024 ** unit))];
}
