/**
 * A host bridge: one root bus, the ranges of the CPU's address space that lead to it, and what the root complex behind it
 * does with traffic between devices. A root complex may have several, in one PCI domain or in several.
 *
 * What a root complex does between root ports is its maker's choice (PCIe Base 6.0, 1.3.1), hence `peers`.
 */
import type { Translator } from '../routing/translator.ts';
import { Bus } from './bus.ts';
import type { Fabric } from './fabric.ts';

/** What becomes of requests from one device to another that have to pass the root complex. */
export type PeerPolicy = 'routes' | 'writes-only' | 'none';

export interface HostBridgeWindow {
  /** Physical address, the CPU's view. */
  readonly start: number;
  readonly lengthBytes: number;
}

export interface HostBridgeOptions {
  /** For people: `pci0000:00`. */
  readonly name?: string;
  /** PCI domain (segment). */
  readonly domain: number;
  readonly rootBus: number;
  /** Last bus number it answers for. */
  readonly lastBus: number;
  readonly windows: readonly HostBridgeWindow[];
  /** Physical address minus bus address, for all windows. Default 0. */
  readonly addressOffset?: number;
  readonly peers?: {
    /** Between devices below this host bridge, the same root port included. Default `routes`. */
    readonly sameBridge?: PeerPolicy;
    /** From and to devices below another one, which has to agree. Default `routes`. */
    readonly otherBridge?: PeerPolicy;
  };
  /** The IOMMU in front of memory; missing: the machine's, `FabricOptions.translator`. */
  readonly translator?: Translator | null;
  /** Whether requests with translated addresses (ATS) are believed. Default true. */
  readonly acceptsTranslated?: boolean;
  /** Its NUMA node, for those who place memory. */
  readonly numaNode?: number | null;
}

export class HostBridge {
  readonly name: string;
  readonly domain: number;
  readonly rootBusNumber: number;
  readonly lastBus: number;
  /** Change them with `setWindows`. */
  windows: readonly HostBridgeWindow[];
  readonly addressOffset: number;
  readonly sameBridge: PeerPolicy;
  readonly otherBridge: PeerPolicy;
  readonly acceptsTranslated: boolean;
  readonly numaNode: number | null;
  translator: Translator | null;
  readonly rootBus: Bus;
  readonly fabric: Fabric;

  constructor(fabric: Fabric, description: HostBridgeOptions, translator: Translator | null) {
    const { domain, rootBus } = description;
    this.name =
      description.name ??
      `pci${domain.toString(16).padStart(4, '0')}:${rootBus.toString(16).padStart(2, '0')}`;
    this.domain = domain;
    this.rootBusNumber = rootBus;
    this.lastBus = description.lastBus;
    this.windows = description.windows;
    this.addressOffset = description.addressOffset ?? 0;
    this.sameBridge = description.peers?.sameBridge ?? 'routes';
    this.otherBridge = description.peers?.otherBridge ?? 'routes';
    this.acceptsTranslated = description.acceptsTranslated ?? true;
    this.numaNode = description.numaNode ?? null;
    this.translator = translator;
    this.fabric = fabric;
    this.rootBus = new Bus('root', this, null);
  }

  /**
   * Other windows from here on, for a tree that follows what a host outside it has programmed. They are not held against those
   * of other host bridges, nor against memory, which goes first.
   */
  setWindows(windows: readonly HostBridgeWindow[]): void {
    this.windows = windows;
    this.fabric.touch();
  }

  /** Host bridges of the same domain, this one included: they share the bus numbers. */
  domainPeers(): readonly HostBridge[] {
    return this.fabric.hostBridges.filter(({ domain }) => domain === this.domain);
  }
}
