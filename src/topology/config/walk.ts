/**
 * Both capability chains of a config space.
 *
 * A chain is input from a stranger: it may loop, leave its space, run into itself, or read all ones half-way. Whatever it
 * does, the walk ends after at most one step per possible place, keeps what it found until then, and says how it ended.
 * It stops where Linux stops (drivers/pci/pci.c and probe.c of 7.1.5: pci_find_next_capability,
 * pci_find_next_ext_capability, pci_cfg_space_size), so that "not found" means the same to both.
 */
import {
  CAPABILITIES_POINTER,
  CAPABILITY_ID,
  CAPABILITY_ID_NONE,
  CARDBUS_CAPABILITIES_POINTER,
  CLASS_CODE,
  CONFIG_SPACE_BYTES,
  EXTENDED_CONFIG_SPACE_BYTES,
  HEADER_BYTES,
  HEADER_LAYOUT,
  HEADER_TYPE,
  STATUS,
} from '../../spec/pci/index.ts';
import { EXTENDED_CAPABILITIES_START, EXTENDED_CAPABILITY_HEADER } from '../../spec/pcie/index.ts';
import { type ConfigView, configView, holds, isAllOnes, readField } from './config-view.ts';
import { type ConfigFinding, hex } from './finding.ts';

export interface Capability {
  /** 8 bits in the conventional chain, 16 in the extended one. */
  readonly id: number;
  readonly isExtended: boolean;
  /** Of an extended capability, 0 to 15; null in the conventional chain. */
  readonly version: number | null;
  /** From the start of config space. */
  readonly offset: number;
  /** Bytes up to the next capability, or to the end of its space or of the bytes at hand: its length is at most this. */
  readonly spanBytes: number;
}

/**
 * How a chain ended.
 *
 * `complete`: at its proper end, all of it seen. `broken`: at something no software can follow; Linux stops there too.
 * `cut`: at the end of the bytes, or where they turn to all ones, as when a device goes away while it is read; what comes
 * after is unknown. `absent`: there is no chain. `unknown`: the bytes end
 * before they say whether there is one.
 */
export type ChainEnd = 'complete' | 'broken' | 'cut' | 'absent' | 'unknown';

export interface CapabilityWalk {
  /** In chain order. */
  readonly conventional: readonly Capability[];
  readonly conventionalEnd: ChainEnd;
  /** In chain order. */
  readonly extended: readonly Capability[];
  readonly extendedEnd: ChainEnd;
  readonly findings: readonly ConfigFinding[];
  /** Headers looked at; never above 48 + 480. */
  readonly steps: number;
}

export interface WalkOptions {
  /**
   * The bytes are all the config space that the kernel itself sees: where they end at 256, there is no extended space.
   * Default false. Fewer than 256 bytes are always a cut, since no function has less.
   */
  readonly isWhole?: boolean;
}

/** Linux gives up after as many: the smallest capability is taken to have 8 bytes. */
const EXTENDED_STEPS_MAX = (EXTENDED_CONFIG_SPACE_BYTES - CONFIG_SPACE_BYTES) / 8;

/** One found place, before it is known where the next one starts. */
interface Place {
  readonly id: number;
  readonly version: number | null;
  readonly offset: number;
}

interface Chain {
  readonly places: readonly Place[];
  readonly end: ChainEnd;
  readonly steps: number;
}

/** Walks both chains of `bytes` (any length; more than 4096 are not looked at). Never throws. */
export function walkCapabilities(bytes: Uint8Array, options: WalkOptions = {}): CapabilityWalk {
  const view = configView(bytes);
  const findings: ConfigFinding[] = [];
  const conventional = walkConventional(view, findings);
  const hasExtendedSpace = extendedSpace(view, conventional, options.isWhole ?? false, findings);
  const extended =
    hasExtendedSpace === true
      ? walkExtended(view, findings)
      : {
          places: [],
          end: hasExtendedSpace === false ? ('absent' as const) : ('unknown' as const),
          steps: 0,
        };
  return {
    conventional: withSpans(conventional.places, false, Math.min(view.lengthBytes, CONFIG_SPACE_BYTES)),
    conventionalEnd: conventional.end,
    extended: withSpans(extended.places, true, view.lengthBytes),
    extendedEnd: extended.end,
    findings,
    steps: conventional.steps + extended.steps,
  };
}

/**
 * The first capability with this ID. Null: the chain was seen as far as any software can follow it, and there is none.
 * Undefined: the bytes end too early to tell.
 */
export function findCapability(walk: CapabilityWalk, id: number): Capability | null | undefined {
  return search(walk.conventional, walk.conventionalEnd, id);
}

/** As `findCapability`, in the extended chain. */
export function findExtendedCapability(walk: CapabilityWalk, id: number): Capability | null | undefined {
  return search(walk.extended, walk.extendedEnd, id);
}

function search(chain: readonly Capability[], end: ChainEnd, id: number): Capability | null | undefined {
  const found = chain.find((capability) => capability.id === id);
  if (found !== undefined) {
    return found;
  }
  return end === 'cut' || end === 'unknown' ? undefined : null;
}

function walkConventional(view: ConfigView, findings: ConfigFinding[]): Chain {
  const none = { places: [], steps: 0 };
  if (isAllOnes(view, 0, HEADER_BYTES)) {
    return { ...none, end: 'absent' };
  }
  const layout = readField(view, HEADER_TYPE, HEADER_TYPE.Header_Layout);
  const hasList = readField(view, STATUS, STATUS.Capabilities_List);
  if (layout === undefined || hasList === undefined) {
    return { ...none, end: 'unknown' };
  }
  const pointer = pointerRegister(layout);
  if (pointer === undefined) {
    return { ...none, end: 'absent' };
  }
  if (!holds(view, pointer)) {
    return { ...none, end: hasList === 0 ? 'absent' : 'unknown' };
  }
  const start = pointer.value(view.data);
  if (hasList === 0) {
    reportHidden(view, start, pointer.offset, findings);
    return { ...none, end: 'absent' };
  }
  return followConventional(view, start, pointer.offset, findings);
}

function pointerRegister(layout: number): typeof CAPABILITIES_POINTER | undefined {
  switch (layout) {
    case HEADER_LAYOUT.ENDPOINT:
    case HEADER_LAYOUT.BRIDGE:
      return CAPABILITIES_POINTER;
    case HEADER_LAYOUT.CARDBUS:
      return CARDBUS_CAPABILITIES_POINTER;
    default:
      return undefined;
  }
}

/** A pointer without the status bit is what firmware leaves that hides a capability, or rubbish. */
function reportHidden(view: ConfigView, start: number, at: number, findings: ConfigFinding[]): void {
  const id = start >= HEADER_BYTES && start + 1 < view.lengthBytes ? view.bytes[start]! : 0;
  if (id !== CAPABILITY_ID.NULL && id !== CAPABILITY_ID_NONE) {
    findings.push({
      code: 'CAP_HIDDEN',
      offset: at,
      detail: `the capabilities pointer leads to ${hex(start)}, but the status register says there are none`,
    });
  }
}

function followConventional(
  view: ConfigView,
  start: number,
  startAt: number,
  findings: ConfigFinding[],
): Chain {
  const places: Place[] = [];
  const seen = new Set<number>();
  let pointer = start;
  let pointerAt = startAt;
  // Ends because every round takes another of the 48 aligned places.
  for (let steps = 0; ; steps++) {
    if (pointer === 0) {
      return { places, end: 'complete', steps };
    }
    const offset = pointer & 0xfc;
    if (offset !== pointer) {
      findings.push({
        code: 'CAP_UNALIGNED',
        offset: pointerAt,
        detail: `the pointer ${hex(pointer)} at ${hex(pointerAt)} has reserved bits set; read as ${hex(offset)}`,
      });
    }
    if (offset < HEADER_BYTES) {
      findings.push({
        code: 'CAP_OUT_OF_RANGE',
        offset: pointerAt,
        detail: `the pointer at ${hex(pointerAt)} leads to ${hex(offset)}, inside the header`,
      });
      return { places, end: 'broken', steps };
    }
    if (seen.has(offset)) {
      findings.push({
        code: 'CAP_LOOP',
        offset: pointerAt,
        detail: `the pointer at ${hex(pointerAt)} leads back to ${hex(offset)}`,
      });
      return { places, end: 'broken', steps };
    }
    seen.add(offset);
    if (offset + 2 > view.lengthBytes) {
      return { places, end: 'cut', steps };
    }
    const id = view.bytes[offset]!;
    if (id === CAPABILITY_ID_NONE) {
      findings.push({
        code: 'CAP_ALL_ONES',
        offset,
        detail: `the capability at ${hex(offset)} has the ID 0xff; what follows is not known`,
      });
      return { places, end: 'cut', steps };
    }
    places.push({ id, version: null, offset });
    pointer = view.bytes[offset + 1]!;
    pointerAt = offset + 1;
  }
}

/** 266 and 533 MHz of the PCI-X status register: such a function has extended config space without PCI Express. */
const PCI_X_STATUS_OFFSET = 0x04;
const PCI_X_MODE_2 = 0xc000_0000;
const HOST_BRIDGE_CLASS = 0x0600;

/** Whether Linux would look for extended capabilities; undefined where the bytes do not say. */
function extendedSpace(
  view: ConfigView,
  conventional: Chain,
  isWhole: boolean,
  findings: ConfigFinding[],
): boolean | undefined {
  if (isAllOnes(view, 0, HEADER_BYTES)) {
    return false;
  }
  const isReachable = mayHaveExtendedSpace(view, conventional);
  if (isReachable === false) {
    return false;
  }
  if (view.lengthBytes < EXTENDED_CAPABILITIES_START + 4) {
    return isWhole && view.lengthBytes >= CONFIG_SPACE_BYTES ? false : undefined;
  }
  if (isAlias(view)) {
    findings.push({
      code: 'CONFIG_EXTENDED_ALIAS',
      offset: EXTENDED_CAPABILITIES_START,
      detail: 'what stands from 0x100 on repeats the header; there is no extended config space',
    });
    return false;
  }
  return isReachable;
}

function mayHaveExtendedSpace(view: ConfigView, conventional: Chain): boolean | undefined {
  const classCode = holds(view, CLASS_CODE) ? CLASS_CODE.value(view.data) >>> 8 : undefined;
  if (
    classCode === HOST_BRIDGE_CLASS ||
    conventional.places.some((place) => place.id === CAPABILITY_ID.PCI_EXPRESS)
  ) {
    return true;
  }
  const pciX = conventional.places.find((place) => place.id === CAPABILITY_ID.PCI_X);
  if (pciX !== undefined) {
    const at = pciX.offset + PCI_X_STATUS_OFFSET;
    if (at + 4 > view.lengthBytes) {
      return undefined;
    }
    if ((view.data.getUint32(at, true) & PCI_X_MODE_2) !== 0) {
      return true;
    }
  }
  return classCode === undefined || conventional.end === 'cut' || conventional.end === 'unknown'
    ? undefined
    : false;
}

/** Some bridges ignore the upper address bits, so that each 256 bytes read like the first. */
function isAlias(view: ConfigView): boolean {
  if (view.lengthBytes < EXTENDED_CONFIG_SPACE_BYTES) {
    return false;
  }
  const header = view.data.getUint32(0, true);
  for (let at = CONFIG_SPACE_BYTES; at < EXTENDED_CONFIG_SPACE_BYTES; at += CONFIG_SPACE_BYTES) {
    if (view.data.getUint32(at, true) !== header) {
      return false;
    }
  }
  return true;
}

function walkExtended(view: ConfigView, findings: ConfigFinding[]): Chain {
  const places: Place[] = [];
  const seen = new Set<number>();
  let offset = EXTENDED_CAPABILITIES_START;
  let from = EXTENDED_CAPABILITIES_START;
  let steps = 0;
  for (; steps < EXTENDED_STEPS_MAX; steps++) {
    if (seen.has(offset)) {
      findings.push({
        code: 'CAP_LOOP',
        offset: from,
        detail: `the extended capability at ${hex(from, 3)} leads back to ${hex(offset, 3)}`,
      });
      return { places, end: 'broken', steps };
    }
    seen.add(offset);
    if (offset + 4 > view.lengthBytes) {
      return { places, end: 'cut', steps };
    }
    const header = view.data.getUint32(offset, true);
    if (header === 0xffff_ffff) {
      findings.push({
        code: 'CAP_ALL_ONES',
        offset,
        detail: `the extended capability at ${hex(offset, 3)} reads all ones; what follows is not known`,
      });
      return { places, end: 'cut', steps };
    }
    const next = EXTENDED_CAPABILITY_HEADER.Next_Capability_Offset.of(header);
    // A zero dword stands for "none" (PCIe Base 6.0, 7.6.2); an ID of 0 with a next pointer is a filler.
    if (header !== 0) {
      places.push({
        id: EXTENDED_CAPABILITY_HEADER.PCI_Express_Extended_Capability_ID.of(header),
        version: EXTENDED_CAPABILITY_HEADER.Capability_Version.of(header),
        offset,
      });
    }
    if (next === 0) {
      return { places, end: 'complete', steps: steps + 1 };
    }
    const target = next & 0xffc;
    if (target !== next) {
      findings.push({
        code: 'CAP_UNALIGNED',
        offset,
        detail: `the extended capability at ${hex(offset, 3)} points to ${hex(next, 3)}; read as ${hex(target, 3)}`,
      });
    }
    if (target < EXTENDED_CAPABILITIES_START) {
      findings.push({
        code: 'CAP_OUT_OF_RANGE',
        offset,
        detail: `the extended capability at ${hex(offset, 3)} points to ${hex(target, 3)}, outside extended config space`,
      });
      return { places, end: 'broken', steps };
    }
    from = offset;
    offset = target;
  }
  findings.push({
    code: 'CAP_TOO_MANY',
    offset: from,
    detail: `the chain goes on after ${EXTENDED_STEPS_MAX} extended capabilities`,
  });
  return { places, end: 'broken', steps };
}

/** Lengths are not in the chain: what stands between two capabilities belongs to the first. */
function withSpans(places: readonly Place[], isExtended: boolean, end: number): Capability[] {
  const starts = places.map((place) => place.offset).sort((a, b) => a - b);
  return places.map((place) => {
    const next = starts.find((start) => start > place.offset) ?? end;
    return { ...place, isExtended, spanBytes: Math.max(0, Math.min(next, end) - place.offset) };
  });
}
