/** The configuration header in the making: what endpoints, bridges and host bridges share. PCIe Base 6.0, 7.5.1. */
import type { RegisterMeta, Structure } from '../../base/index.ts';
import {
  BRIDGE_CONTROL,
  CLASS_CODE,
  COMMAND,
  DEVICE_ID,
  HEADER_TYPE,
  INTERRUPT_PIN,
  IO_BASE,
  IO_BASE_UPPER_16_BITS,
  IO_LIMIT,
  IO_LIMIT_UPPER_16_BITS,
  MEMORY_BASE,
  MEMORY_LIMIT,
  PREFETCHABLE_BASE_UPPER_32_BITS,
  PREFETCHABLE_LIMIT_UPPER_32_BITS,
  PREFETCHABLE_MEMORY_BASE,
  PREFETCHABLE_MEMORY_LIMIT,
  PRIMARY_BUS_NUMBER,
  REVISION_ID,
  SECONDARY_BUS_NUMBER,
  STATUS,
  SUBORDINATE_BUS_NUMBER,
  TYPE0_BARS,
  TYPE1_BARS,
  VENDOR_ID,
} from '../../spec/pci/index.ts';
import type { ConfigChange } from './config-change.ts';
import { ConfigDraft } from './config-draft.ts';

export interface HeaderFacts {
  readonly vendorId: number;
  readonly deviceId: number;
  readonly revision: number;
  /** 24 bits. */
  readonly classCode: number;
  /** 0 none, 1 to 4 INTA to INTD. */
  readonly interruptPin: number;
  readonly isMultiFunction: boolean;
  readonly hasIo: boolean;
  readonly isExpress: boolean;
}

const CHANGES: ReadonlyMap<RegisterMeta, ConfigChange> = new Map<RegisterMeta, ConfigChange>([
  ...entries('command', [COMMAND, STATUS]),
  ...entries('bar', [...TYPE0_BARS, ...TYPE1_BARS]),
  ...entries('bus-numbers', [PRIMARY_BUS_NUMBER, SECONDARY_BUS_NUMBER, SUBORDINATE_BUS_NUMBER]),
  ...entries('window', [
    IO_BASE,
    IO_LIMIT,
    MEMORY_BASE,
    MEMORY_LIMIT,
    PREFETCHABLE_MEMORY_BASE,
    PREFETCHABLE_MEMORY_LIMIT,
    PREFETCHABLE_BASE_UPPER_32_BITS,
    PREFETCHABLE_LIMIT_UPPER_32_BITS,
    IO_BASE_UPPER_16_BITS,
    IO_LIMIT_UPPER_16_BITS,
  ]),
  ...entries('bridge-control', [BRIDGE_CONTROL]),
]);

function entries(
  change: ConfigChange,
  registers: readonly RegisterMeta[],
): readonly (readonly [RegisterMeta, ConfigChange])[] {
  return registers.map((register) => [register, change] as const);
}

/** A draft with its header; BARs are still to come. */
export function draftWithHeader(
  header: Structure,
  layout: number,
  rom: RegisterMeta,
  facts: HeaderFacts,
): ConfigDraft {
  const draft = new ConfigDraft(facts.isExpress);
  draft
    .place(header, 0, (register) => CHANGES.get(register) ?? 'other')
    .set(VENDOR_ID, facts.vendorId)
    .set(DEVICE_ID, facts.deviceId)
    .set(REVISION_ID, facts.revision)
    .set(CLASS_CODE, facts.classCode)
    .set(HEADER_TYPE.Header_Layout, layout)
    .set(HEADER_TYPE.Multi_Function_Device, facts.isMultiFunction ? 1 : 0)
    .set(INTERRUPT_PIN, facts.interruptPin)
    // No expansion ROM and no self-test: both read zero.
    .hardwire(
      0,
      ...rom.fields,
      ...header.registers.filter((r) => r.name === 'BIST').flatMap((r) => r.fields),
    );
  if (facts.interruptPin === 0) {
    draft.hardwire(0, COMMAND.Interrupt_Disable);
  }
  if (!facts.hasIo) {
    draft.hardwire(0, COMMAND.IO_Space_Enable);
  }
  return draft;
}
