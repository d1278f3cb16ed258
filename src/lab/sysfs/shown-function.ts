/** One function as the operating system has it in its hands: where it is, its config space, what that says. */
import { type Bdf, bdfParts } from '../../base/index.ts';
import type { FoundFunction } from '../../fabric/index.ts';
import {
  CAPABILITY_ID,
  CLASS_CODE,
  CONFIG_SPACE_BYTES,
  EXTENDED_CONFIG_SPACE_BYTES,
  PCIX_STATUS,
  VENDOR_ID,
} from '../../spec/index.ts';
import { type ConfigFacts, factsFromConfig } from '../../topology/index.ts';
import type { SizedResource } from './sized-resource.ts';

export interface ShownFunction {
  readonly bdf: Bdf;
  readonly found: FoundFunction;
  /** As long as the kernel takes the config space to be. */
  readonly config: Uint8Array;
  readonly facts: ConfigFacts;
  readonly resources: readonly SizedResource[];
  /** Its physical function, of a virtual one. */
  readonly physical: ShownFunction | null;
  /** Which of the physical function's virtual functions it is, from 0; -1 for others. */
  readonly vfIndex: number;
  /** The bridge above. */
  readonly parent: ShownFunction | null;
}

const HOST_BRIDGE_CLASS = 0x0600;
const PCIX_MODE_2 = (1 << PCIX_STATUS.PCI_X_266_Capable.low) | (1 << PCIX_STATUS.PCI_X_533_Capable.low);

/** All functions in the order in which they were found. */
export function shownFunctions(
  functions: readonly FoundFunction[],
  resourcesOf: (found: FoundFunction) => readonly SizedResource[],
): ShownFunction[] {
  const shown = new Map<FoundFunction, ShownFunction>();
  const vfs = new Map<FoundFunction, number>();
  for (const found of functions) {
    const { physicalFunction } = found;
    const vfIndex = physicalFunction === null ? -1 : (vfs.get(physicalFunction) ?? 0);
    if (physicalFunction !== null) {
      vfs.set(physicalFunction, vfIndex + 1);
    }
    const config = readConfig(found);
    shown.set(found, {
      bdf: found.bdf,
      found,
      config,
      facts: factsFromConfig(config, { isWhole: true }),
      resources: resourcesOf(found),
      // Parents and physical functions are found before what depends on them.
      physical: physicalFunction === null ? null : shown.get(physicalFunction)!,
      vfIndex,
      parent: found.parent === null ? null : shown.get(found.parent)!,
    });
  }
  return [...shown.values()];
}

function readConfig(found: FoundFunction): Uint8Array {
  const length = configLength(found);
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  for (let offset = 0; offset < length; offset += 4) {
    view.setUint32(offset, found.config.read32(offset), true);
  }
  return bytes;
}

/** Linux drivers/pci/probe.c, pci_cfg_space_size: who is asked for extended config space, and what an answer is. */
function configLength({ config, physicalFunction }: FoundFunction): number {
  if (physicalFunction !== null) {
    return EXTENDED_CONFIG_SPACE_BYTES;
  }
  const mayHaveMore =
    config.read32(CLASS_CODE.offset - 1) >>> 16 === HOST_BRIDGE_CLASS ||
    config.findCapability(CAPABILITY_ID.PCI_EXPRESS) !== 0 ||
    isPcixMode2(config);
  if (!mayHaveMore) {
    return CONFIG_SPACE_BYTES;
  }
  const first = config.read32(CONFIG_SPACE_BYTES);
  // Some bridges answer with the first bytes again instead of with none.
  const isAlias = first === config.read32(VENDOR_ID.offset);
  return first === 0xffff_ffff || isAlias ? CONFIG_SPACE_BYTES : EXTENDED_CONFIG_SPACE_BYTES;
}

function isPcixMode2(config: FoundFunction['config']): boolean {
  const pcix = config.findCapability(CAPABILITY_ID.PCI_X);
  return pcix !== 0 && (config.read32(pcix + PCIX_STATUS.offset) & PCIX_MODE_2) !== 0;
}

/** Bus, device and function as 16 bits. */
export function routingId(bdf: Bdf): number {
  const { bus, device, function: fn } = bdfParts(bdf);
  return bus * 256 + device * 8 + fn;
}
