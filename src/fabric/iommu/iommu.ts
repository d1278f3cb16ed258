/**
 * The IOMMU of a machine: which domain a requester belongs to, what its addresses mean there, and what was refused.
 *
 * A requester without a domain of its own uses the default: its addresses are physical (`off`, `passthrough`) or refused
 * (`translated`: the driver has mapped nothing yet). Translation happens where requests arrive, at the root complex, or in
 * a device that asked for it beforehand (ATS). A page that is not there can be asked for by devices with PRI; who owns
 * the domain answers.
 *
 * Follows Intel VT-d 4.1 and AMD-Vi in what both have in common; neither's registers are modelled.
 */
import type { PhysAddr } from '../../base/index.ts';
import type { Translation, Translator, UnmapListener } from '../routing/translator.ts';
import { IOMMU_ACCESS, IOVA_END, type PageLookup, PageTable } from './page-table.ts';

export type IommuMode = 'off' | 'passthrough' | 'translated';

/** Why a request was refused. */
export type IommuFaultReason = 'no-domain' | 'not-present' | 'no-read' | 'no-write' | 'blocked';

export interface IommuFault {
  /** Bus, device and function, 16 bits, and the PCI segment. */
  readonly segment: number;
  readonly requesterId: number;
  readonly addr: number;
  readonly isWrite: boolean;
  readonly reason: IommuFaultReason;
  /** Answer to an ATS request and not to a memory request. */
  readonly isAts: boolean;
}

/** Faults kept; further ones are only counted, as the registers of real units overflow. */
const FAULTS_KEPT = 256;

/** One address space for one requester or several. */
export class IommuDomain {
  readonly table = new PageTable();
  readonly label: string;
  /** A domain that refuses everything: a device in quarantine. */
  isBlocked = false;
  /** Addresses mean themselves. */
  readonly isIdentity: boolean;
  /**
   * Asked when a device with PRI wants a page that is not there. Maps it and says true, or says false: the device is told
   * that there is nothing.
   */
  onPageRequest: ((iova: number, isWrite: boolean) => boolean) | undefined;
  /** Who is attached: segment and requester id as one number. Kept by the IOMMU. */
  readonly requesters = new Set<number>();
  readonly #iommu: Iommu;

  constructor(iommu: Iommu, label: string, isIdentity: boolean) {
    this.#iommu = iommu;
    this.label = label;
    this.isIdentity = isIdentity;
  }

  map(iova: number, phys: PhysAddr, lengthBytes: number, rights: number): void {
    this.table.map(iova, phys, lengthBytes, rights);
    this.#iommu.changed();
  }

  /** What devices have cached of it (ATS) is invalid when this returns. */
  unmap(iova: number, lengthBytes: number): void {
    this.table.unmap(iova, lengthBytes);
    this.#iommu.unmapped(this, iova, lengthBytes);
  }
}

export class Iommu implements Translator {
  readonly mode: IommuMode;
  onUnmap: UnmapListener | null = null;
  readonly #domains = new Map<number, IommuDomain>();
  readonly #faults: IommuFault[] = [];
  #faultCount = 0;
  #generation = 0;
  readonly #lookup: PageLookup = { phys: -1, rights: 0, endIova: 0 };

  constructor(mode: IommuMode) {
    this.mode = mode;
  }

  /** Grows with every change; what was translated before is stale. */
  get generation(): number {
    return this.#generation;
  }

  /** The faults kept, oldest first. */
  get faults(): readonly IommuFault[] {
    return this.#faults;
  }

  /** All faults, those that were not kept included. */
  get faultCount(): number {
    return this.#faultCount;
  }

  createDomain(label: string, isIdentity = false): IommuDomain {
    return new IommuDomain(this, label, isIdentity);
  }

  /** Something was mapped: for domains. */
  changed(): void {
    this.#generation++;
  }

  /** A range of a domain is gone: whoever keeps translations of it forgets them. For domains. */
  unmapped(domain: IommuDomain, iova: number, lengthBytes: number): void {
    this.#generation++;
    if (this.onUnmap === null) {
      return;
    }
    for (const key of domain.requesters) {
      this.onUnmap(Math.floor(key / 0x1_0000), key % 0x1_0000, iova, lengthBytes);
    }
  }

  /** Attaches a requester to a domain; null takes it out. */
  attach(segment: number, requesterId: number, domain: IommuDomain | null): void {
    const key = segment * 0x1_0000 + requesterId;
    const before = this.#domains.get(key);
    before?.requesters.delete(key);
    if (domain === null) {
      this.#domains.delete(key);
    } else {
      this.#domains.set(key, domain);
      domain.requesters.add(key);
    }
    this.#generation++;
    if (before !== undefined) {
      this.onUnmap?.(segment, requesterId, 0, IOVA_END);
    }
  }

  domainOf(segment: number, requesterId: number): IommuDomain | undefined {
    return this.#domains.get(segment * 0x1_0000 + requesterId);
  }

  isIdentity(segment: number, requesterId: number): boolean {
    const domain = this.domainOf(segment, requesterId);
    return this.mode === 'off' || (domain === undefined ? this.mode === 'passthrough' : domain.isIdentity);
  }

  /**
   * What an untranslated address of a requester means. With `isAts` the same question is asked by the device beforehand.
   * A refusal is recorded.
   */
  translate(
    segment: number,
    requesterId: number,
    addr: number,
    lengthBytes: number,
    isWrite: boolean,
    isAts: boolean,
    into: Translation,
  ): void {
    const domain = this.domainOf(segment, requesterId);
    if (this.isIdentity(segment, requesterId)) {
      into.phys = addr;
      into.lengthBytes = lengthBytes;
      return;
    }
    const reason =
      domain === undefined
        ? 'no-domain'
        : domain.isBlocked
          ? 'blocked'
          : this.#walk(domain.table, addr, lengthBytes, isWrite, into);
    if (reason !== null) {
      into.phys = -1;
      into.lengthBytes = lengthBytes;
      this.#record({ segment, requesterId, addr, isWrite, reason, isAts });
    }
  }

  /** A page request of a device with PRI enabled. @returns whether the page is there now */
  requestPage(segment: number, requesterId: number, addr: number, isWrite: boolean): boolean {
    const domain = this.domainOf(segment, requesterId);
    return domain?.isBlocked === false && domain.onPageRequest?.(addr, isWrite) === true;
  }

  #walk(
    table: PageTable,
    addr: number,
    lengthBytes: number,
    isWrite: boolean,
    into: Translation,
  ): IommuFaultReason | null {
    const found = this.#lookup;
    table.lookup(addr, found);
    const need = isWrite ? IOMMU_ACCESS.WRITE : IOMMU_ACCESS.READ;
    if (found.phys < 0) {
      return 'not-present';
    }
    if ((found.rights & need) === 0) {
      return isWrite ? 'no-write' : 'no-read';
    }
    into.phys = found.phys;
    const { rights } = found;
    let end = found.endIova;
    // Neighbouring pages that continue the run spare the caller a walk for each.
    while (end < addr + lengthBytes) {
      table.lookup(end, found);
      if (found.phys !== into.phys + (end - addr) || found.rights !== rights) {
        break;
      }
      end = found.endIova;
    }
    into.lengthBytes = Math.min(end - addr, lengthBytes);
    return null;
  }

  #record(fault: IommuFault): void {
    this.#faultCount++;
    if (this.#faults.length < FAULTS_KEPT) {
      this.#faults.push(fault);
    }
  }
}
