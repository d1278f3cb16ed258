/**
 * IOMMU groups as Linux makes them at boot: drivers/iommu/iommu.c (pci_device_group), drivers/pci/pci.c (pci_acs_enabled),
 * drivers/pci/search.c (pci_for_each_dma_alias).
 *
 * A function shares the group of what it cannot be told from (a bridge to conventional PCI asks in the name of all below it),
 * of every bridge above from which the way to the root is not isolated, and of its own device's functions where they do not
 * isolate themselves. Downstream ports that do not isolate stay in groups of their own: the kernel does not look sideways,
 * other than `advice` does. Left out: quirks of single devices.
 */
import type { Bdf } from '../../base/index.ts';
import { ACS_CAPABILITY, ACS_CONTROL } from '../../spec/index.ts';
import type { ShownFunction } from './shown-function.ts';

const REQUIRED =
  (1 << ACS_CONTROL.ACS_Source_Validation_Enable.low) |
  (1 << ACS_CONTROL.ACS_P2P_Request_Redirect_Enable.low) |
  (1 << ACS_CONTROL.ACS_P2P_Completion_Redirect_Enable.low) |
  (1 << ACS_CONTROL.ACS_Upstream_Forwarding_Enable.low);
const EGRESS_CONTROL = 1 << ACS_CAPABILITY.ACS_P2P_Egress_Control.low;

/**
 * Number of the group of each function, numbered in the order in which they are met.
 *
 * @param functions  in the order of the kernel's list
 * @param realDevice  who asks the IOMMU in a function's place: the endpoint of a VMD for everything behind it
 */
export function iommuGroups(
  functions: readonly ShownFunction[],
  realDevice: (fn: ShownFunction) => ShownFunction,
): ReadonlyMap<Bdf, number> {
  return new Grouping(functions, realDevice).make();
}

class Grouping {
  readonly #functions: readonly ShownFunction[];
  readonly #realDevice: (fn: ShownFunction) => ShownFunction;
  readonly #groups = new Map<ShownFunction, number>();
  readonly #byDevice = new Map<string, ShownFunction[]>();
  #next = 0;

  constructor(functions: readonly ShownFunction[], realDevice: (fn: ShownFunction) => ShownFunction) {
    this.#functions = functions;
    this.#realDevice = realDevice;
    for (const fn of functions) {
      const key = fn.bdf.slice(0, -2);
      this.#byDevice.set(key, [...(this.#byDevice.get(key) ?? []), fn]);
    }
  }

  make(): ReadonlyMap<Bdf, number> {
    for (const fn of this.#functions) {
      this.#groups.set(fn, this.#groupOf(fn));
    }
    return new Map([...this.#groups].map(([fn, group]) => [fn.bdf, group]));
  }

  #groupOf(fn: ShownFunction): number {
    let speaker = fn;
    for (const alias of aliases(this.#realDevice(fn))) {
      const group = this.#groups.get(alias);
      if (group !== undefined && alias !== fn) {
        return group;
      }
      speaker = alias;
    }
    for (let above = speaker.parent; above !== null; above = above.parent) {
      if (isPathIsolated(above)) {
        break;
      }
      speaker = above;
      const group = this.#groups.get(above);
      if (group !== undefined) {
        return group;
      }
    }
    return this.#groupOfSisters(speaker) ?? this.#next++;
  }

  #groupOfSisters(fn: ShownFunction): number | undefined {
    if (!isMultifunction(fn) || isIsolated(fn)) {
      return undefined;
    }
    const sisters = this.#byDevice.get(fn.bdf.slice(0, -2)) ?? [];
    return sisters
      .filter((sister) => sister !== fn && !isIsolated(sister))
      .map((sister) => this.#groups.get(sister))
      .find((group) => group !== undefined);
  }
}

/** The function, then each bridge above that puts its own name on requests. */
function* aliases(fn: ShownFunction): Generator<ShownFunction> {
  yield fn;
  for (let above = fn.parent; above !== null; above = above.parent) {
    const { pcieType } = above.facts;
    if (pcieType === null || pcieType === 'pcie-to-pci-bridge' || pcieType === 'pci-to-pcie-bridge') {
      yield above;
    }
  }
}

function isPathIsolated(bridge: ShownFunction): boolean {
  for (let at: ShownFunction | null = bridge; at !== null; at = at.parent) {
    if (!isIsolated(at)) {
      return false;
    }
  }
  return true;
}

function isIsolated(fn: ShownFunction): boolean {
  switch (fn.facts.pcieType) {
    case 'root-port':
    case 'switch-downstream':
    case 'rc-event-collector':
      return hasFlags(fn);
    case 'endpoint':
    case 'legacy-endpoint':
    case 'switch-upstream':
    case 'rc-endpoint':
      return !isMultifunction(fn) || hasFlags(fn);
    default:
      return false;
  }
}

/** Linux drivers/pci/probe.c, pci_scan_slot: what is found behind function 0 counts as such whatever it says. */
function isMultifunction(fn: ShownFunction): boolean {
  return fn.physical === null && (!fn.bdf.endsWith('.0') || fn.facts.isMultifunction === true);
}

/** What the capability does not offer is not asked for, but for egress control, which would be. */
function hasFlags(fn: ShownFunction): boolean {
  const { acs } = fn.facts;
  if (acs === null || acs === undefined) {
    return false;
  }
  const wanted = REQUIRED & (acs.capability | EGRESS_CONTROL);
  return (acs.control & wanted) === wanted;
}
