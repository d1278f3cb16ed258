/**
 * What the text says of one function. Filled block by block: the same function may appear in a tree, in a plain list, in
 * a verbose block and as a hex dump, and each adds what it knows.
 */
import type { Bdf } from '../../base/index.ts';
import type { SriovLayout } from '../assemble/index.ts';
import type { AcsState, Bar, BridgeWindow, LinkRate, PcieType } from '../machine.ts';

/** Values as in `MachineFunction`: undefined unknown, null known to be absent. */
export interface FunctionFacts {
  readonly bdf: Bdf;
  vendorId?: number;
  deviceId?: number;
  subsystemVendorId?: number | null;
  subsystemDeviceId?: number | null;
  revision?: number;
  /** Base class and subclass, 16 bits. */
  classAndSubclass?: number;
  programmingInterface?: number;
  vendorName?: string;
  deviceName?: string;
  headerType?: number;
  pcieType?: PcieType | null;
  command?: number;
  deviceControl?: number;
  linkMax?: LinkRate;
  linkCurrent?: LinkRate;
  /** True when Link Capabilities were printed; false when a full PCI Express block came without them. */
  hasLink?: boolean;
  acs?: AcsState | null;
  bars?: readonly Bar[];
  windows?: readonly BridgeWindow[];
  secondaryBus?: number;
  subordinateBus?: number;
  numaNode?: number;
  iommuGroup?: string;
  driver?: string;
  powerState?: string;
  sriov?: SriovLayout;
  /** From `-t` or `-PP`; undefined when neither covers the function. */
  parent?: Bdf | null;
  config?: Uint8Array;
  isGone?: boolean;

  /** The block showed registers (`Control:` or `Flags:`), not just one line. */
  isVerbose?: boolean;
  /** A capability at 0x100 or above was shown. */
  hasExtendedCapabilities?: boolean;
  /** Capabilities were shown, none of them extended, and the list was whole: no ACS if extended space was readable. */
  hasOnlyConventionalCapabilities?: boolean;
  /** Kernel lines (`Kernel modules:`) without a driver: none is bound. */
  hasModulesOnly?: boolean;
}

/** Facts in which two blocks about one function would be about two machines, or two moments. */
const COMPARED = ['vendorId', 'deviceId', 'classAndSubclass', 'secondaryBus', 'parent'] as const;

/**
 * Adds what `block` knows to `facts`; where both know, the later one (the block) stands.
 *
 * @returns what they disagree on that an engineer should know, empty when nothing
 */
export function mergeFacts(facts: FunctionFacts, block: FunctionFacts): string[] {
  const disagreements: string[] = COMPARED.filter(
    (key) => facts[key] !== undefined && block[key] !== undefined && facts[key] !== block[key],
  );
  if (facts.acs != null && block.acs != null && facts.acs.control !== block.acs.control) {
    disagreements.push('ACS control');
  }
  const longer =
    facts.config !== undefined && block.config !== undefined && facts.config.length > block.config.length
      ? facts.config
      : undefined;
  for (const [key, value] of Object.entries(block)) {
    if (value !== undefined) {
      Object.assign(facts, { [key]: value });
    }
  }
  if (longer !== undefined) {
    facts.config = longer;
  }
  return disagreements;
}
