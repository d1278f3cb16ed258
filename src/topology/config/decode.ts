/**
 * The whole config space, register by register, as plain data: what `peerlane show` renders and prints as JSON.
 *
 * What no table describes is kept: an unknown capability is its ID and its bytes. What identifies one device among its
 * kind (Device Serial Number, VPD) is not decoded; only that it is there.
 */
import type { Access, Field, RegisterMeta, Structure } from '../../base/index.ts';
import {
  CAPABILITY_ID,
  CAPABILITY_NAME,
  CLASS_CODE,
  classCodeName,
  type Encoding,
  HEADER_BYTES,
  HEADER_LAYOUT,
  HEADER_TYPE,
  PCI_MEANINGS,
  PCI_REGISTER_MEANINGS,
  TYPE0_HEADER,
  TYPE1_HEADER,
  TYPE2_HEADER,
} from '../../spec/pci/index.ts';
import {
  CXL_DVSEC_NAME,
  CXL_VENDOR_ID,
  DEVICE_CAPABILITIES_2,
  DVSEC_HEADER_1,
  DVSEC_HEADER_2,
  EXTENDED_ID,
  EXTENDED_NAME,
  LINK_CAPABILITIES,
  PCI_EXPRESS_CAPABILITIES,
  PCIE_MEANINGS,
} from '../../spec/pcie/index.ts';
import { type ConfigView, configView, holds, isAllOnes, readField, readRegister } from './config-view.ts';
import { registersAsTheyAre } from './decode-bars.ts';
import { factsFromConfig } from './facts.ts';
import { type ConfigFinding, hex } from './finding.ts';
import { type LayoutContext, layoutOf, type Part } from './layouts.ts';
import { type Capability, type CapabilityWalk, findCapability, walkCapabilities } from './walk.ts';

export interface DecodedField {
  /** As the specification has it, underscores for blanks. */
  readonly name: string;
  readonly high: number;
  readonly low: number;
  readonly access: Access | undefined;
  readonly value: number;
  /** What the value of an enumeration means; null where the field is none, or the value is reserved. */
  readonly meaning: string | null;
}

export interface DecodedRegister {
  readonly name: string;
  /** Of an entry, lane or channel that is there several times, counted from 0. */
  readonly instance: number | null;
  /** From the start of config space. */
  readonly offset: number;
  readonly widthBits: number;
  /** `0x0010`, as many digits as the register has nibbles. */
  readonly value: string;
  readonly meaning: string | null;
  readonly fields: readonly DecodedField[];
}

export interface DecodedStructure {
  readonly kind: 'header' | 'capability' | 'extended-capability';
  /** Of a capability; null for the header. */
  readonly id: number | null;
  /** Of an extended capability. */
  readonly version: number | null;
  readonly name: string;
  /** Document and section; null when no table describes it. */
  readonly source: string | null;
  readonly offset: number;
  /** As far as its layout goes, or up to the next capability when that is not known. */
  readonly sizeBytes: number;
  readonly registers: readonly DecodedRegister[];
  /** Bytes that belong to it and that no table describes, as pairs of hexadecimal digits; empty when there are none. */
  readonly bytes: { readonly offset: number; readonly hex: string };
}

export interface DecodedConfig {
  /** Bytes that were there to decode. */
  readonly lengthBytes: number;
  readonly structures: readonly DecodedStructure[];
  /** How the chains ended: `complete`, `broken`, `cut`, `absent` or `unknown`. */
  readonly capabilitiesEnd: CapabilityWalk['conventionalEnd'];
  readonly extendedCapabilitiesEnd: CapabilityWalk['extendedEnd'];
  readonly findings: readonly ConfigFinding[];
}

/** Decodes any bytes, as far as they go. Never throws. `isWhole` as in `walkCapabilities`. */
export function decodeConfig(bytes: Uint8Array, options: { readonly isWhole?: boolean } = {}): DecodedConfig {
  const view = configView(bytes);
  const walk = walkCapabilities(view.bytes, options);
  const findings = [...factsFromConfig(view.bytes, { isWhole: options.isWhole ?? false }).findings];
  const structures: DecodedStructure[] = [];
  if (!isAllOnes(view, 0, HEADER_BYTES)) {
    const header = decodeHeader(view);
    if (header !== null) {
      structures.push(header);
    }
    const context = layoutContext(view, walk);
    for (const capability of [...walk.conventional, ...walk.extended]) {
      structures.push(decodeCapability(capability, context, findings));
    }
  }
  return {
    lengthBytes: view.lengthBytes,
    structures,
    capabilitiesEnd: walk.conventionalEnd,
    extendedCapabilitiesEnd: walk.extendedEnd,
    findings,
  };
}

function decodeHeader(view: ConfigView): DecodedStructure | null {
  const layout = readField(view, HEADER_TYPE, HEADER_TYPE.Header_Layout);
  const structure =
    layout === HEADER_LAYOUT.BRIDGE
      ? TYPE1_HEADER
      : layout === HEADER_LAYOUT.CARDBUS
        ? TYPE2_HEADER
        : TYPE0_HEADER;
  if (view.lengthBytes === 0) {
    return null;
  }
  // An undefined layout still has the registers that all headers share.
  const isKnown = layout !== undefined && layout <= HEADER_LAYOUT.CARDBUS;
  const common = structure.registers.filter((register) => isKnown || register.offset < 0x10);
  const registers = decodeRegisters(view, { ...structure, registers: common }, 0, null);
  return {
    kind: 'header',
    id: null,
    version: null,
    name: isKnown ? structure.name : 'Configuration Header of an unknown type',
    source: structure.source,
    offset: 0,
    sizeBytes: Math.min(structure.sizeBytes, view.lengthBytes),
    registers,
    bytes: isKnown ? noBytes(structure.sizeBytes) : rest(view, 0x10, HEADER_BYTES),
  };
}

/** What the layouts of capabilities depend on, read once. */
function layoutContext(view: ConfigView, walk: CapabilityWalk): LayoutContext {
  const express = findCapability(walk, CAPABILITY_ID.PCI_EXPRESS);
  const read = (register: RegisterMeta, field: Field) =>
    express === null || express === undefined || register.offset + register.widthBits / 8 > express.spanBytes
      ? undefined
      : readField(view, register, field, express.offset);
  const version = read(PCI_EXPRESS_CAPABILITIES, PCI_EXPRESS_CAPABILITIES.Capability_Version) ?? 0;
  return {
    view,
    devicePortType: read(PCI_EXPRESS_CAPABILITIES, PCI_EXPRESS_CAPABILITIES.Device_Port_Type),
    isBridge: readField(view, HEADER_TYPE, HEADER_TYPE.Header_Layout) === HEADER_LAYOUT.BRIDGE,
    lanes: Math.min(LANES_MAX, read(LINK_CAPABILITIES, LINK_CAPABILITIES.Maximum_Link_Width) ?? 0),
    hasTlpPrefixes:
      version >= 2 && read(DEVICE_CAPABILITIES_2, DEVICE_CAPABILITIES_2.End_End_TLP_Prefix_Supported) === 1,
  };
}

const LANES_MAX = 32;

/** What identifies one device among its kind: these capabilities' own bytes are not shown. */
const IDENTITIES: readonly number[] = [EXTENDED_ID.DEVICE_SERIAL_NUMBER, EXTENDED_ID.HIERARCHY_ID];

function decodeCapability(
  capability: Capability,
  context: LayoutContext,
  findings: ConfigFinding[],
): DecodedStructure {
  const { view } = context;
  const layout = layoutOf(capability, context);
  const end = capability.offset + capability.spanBytes;
  const layoutEnd = layout.parts.reduce(
    (last, { structure, base }) => Math.max(last, base + structure.sizeBytes),
    0,
  );
  if (layoutEnd > end) {
    findings.push(tooLong(capability, layoutEnd, end, view.lengthBytes));
  }
  const isUnknown = layout.parts.length === 0;
  const ownEnd =
    layout.lengthBytes === undefined
      ? isUnknown
        ? end
        : Math.min(layoutEnd, end)
      : Math.min(Math.max(layoutEnd, capability.offset + layout.lengthBytes), end);
  const decodedEnd = isUnknown ? capability.offset + (capability.isExtended ? 4 : 2) : layoutEnd;
  const isIdentity = capability.isExtended && IDENTITIES.includes(capability.id);
  return {
    kind: capability.isExtended ? 'extended-capability' : 'capability',
    id: capability.id,
    version: capability.version,
    name: capabilityName(capability, view),
    source: layout.parts[0]?.structure.source ?? null,
    offset: capability.offset,
    sizeBytes: ownEnd - capability.offset,
    registers: layout.parts.flatMap((part) => decodePart(view, part, end)),
    bytes: isIdentity ? noBytes(decodedEnd) : rest(view, decodedEnd, ownEnd),
  };
}

function tooLong(capability: Capability, layoutEnd: number, end: number, lengthBytes: number): ConfigFinding {
  const name = `the ${nameOf(capability)} capability at ${hex(capability.offset)}`;
  return end === lengthBytes
    ? { code: 'CAP_CUT', offset: capability.offset, detail: `${name} goes on behind the bytes at hand` }
    : {
        code: 'CAP_OVERLAP',
        offset: capability.offset,
        detail: `${name} would reach to ${hex(layoutEnd)}, but the next one starts at ${hex(end)}`,
      };
}

function nameOf(capability: Capability): string {
  const names = capability.isExtended ? EXTENDED_NAME : CAPABILITY_NAME;
  return names[capability.id] ?? `Unknown (${hex(capability.id, capability.isExtended ? 4 : 2)})`;
}

/** The capability's name; a CXL DVSEC is called by its own. */
function capabilityName(capability: Capability, view: ConfigView): string {
  if (capability.isExtended && capability.id === EXTENDED_ID.DESIGNATED_VENDOR_SPECIFIC) {
    const vendor = readField(view, DVSEC_HEADER_1, DVSEC_HEADER_1.DVSEC_Vendor_ID, capability.offset);
    const id = readRegister(view, DVSEC_HEADER_2, capability.offset);
    if (vendor === CXL_VENDOR_ID && id !== undefined) {
      return CXL_DVSEC_NAME[id] ?? `CXL DVSEC ${hex(id, 4)}`;
    }
  }
  return nameOf(capability);
}

function decodePart(view: ConfigView, { structure, base, instance }: Part, end: number): DecodedRegister[] {
  const within = structure.registers.filter(
    (register) => base + register.offset + register.widthBits / 8 <= end,
  );
  return decodeRegisters(view, { ...structure, registers: within }, base, instance);
}

function decodeRegisters(
  view: ConfigView,
  structure: Pick<Structure, 'registers'>,
  base: number,
  instance: number | null,
): DecodedRegister[] {
  return registersAsTheyAre(view, structure.registers, base)
    .filter((register) => holds(view, register, base))
    .map((register) => decodeRegister(view, register, base, instance));
}

function decodeRegister(
  view: ConfigView,
  register: RegisterMeta,
  base: number,
  instance: number | null,
): DecodedRegister {
  const value = register.value(view.data, base);
  return {
    name: register.name,
    instance,
    offset: base + register.offset,
    widthBits: register.widthBits,
    value: registerText(view, register, base),
    meaning: registerMeaning(register, value),
    fields: register.fields.map((field) => {
      const fieldValue = field.read(view.data, base);
      return {
        name: field.name,
        high: field.high,
        low: field.low,
        access: field.access,
        value: fieldValue,
        meaning: (PCI_MEANINGS.get(field) ?? PCIE_MEANINGS.get(field) ?? NO_MEANING)[fieldValue] ?? null,
      };
    }),
  };
}

const NO_MEANING: Encoding = {};

/** Digits from the bytes, since a number cannot hold every 64-bit register. */
function registerText(view: ConfigView, register: RegisterMeta, base: number): string {
  const start = base + register.offset;
  let digits = '';
  for (let i = start + register.widthBits / 8 - 1; i >= start; i--) {
    digits += view.bytes[i]!.toString(16).padStart(2, '0');
  }
  return `0x${digits}`;
}

function registerMeaning(register: RegisterMeta, value: number): string | null {
  if (register === CLASS_CODE) {
    return classCodeName(value);
  }
  return PCI_REGISTER_MEANINGS.get(register.name)?.[value] ?? null;
}

function noBytes(offset: number): DecodedStructure['bytes'] {
  return { offset, hex: '' };
}

function rest(view: ConfigView, start: number, end: number): DecodedStructure['bytes'] {
  let text = '';
  for (let i = start; i < Math.min(end, view.lengthBytes); i++) {
    text += view.bytes[i]!.toString(16).padStart(2, '0');
  }
  return { offset: start, hex: text };
}
