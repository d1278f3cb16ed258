// The same comparison as in lspci-agreement.test.ts on functions that nobody built: every capability that both sides decode,
// with random content, so that every bit is seen both set and clear.
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../src/base/index.ts';
import {
  CLASS_CODE,
  COMMAND,
  SECONDARY_BUS_NUMBER,
  SUBORDINATE_BUS_NUMBER,
} from '../../../src/spec/pci/index.ts';
import {
  DEVICE_CAPABILITIES,
  DEVICE_CAPABILITIES_2,
  DEVICE_CONTROL_2,
  EXTENDED_ID,
  L1SS_CAPABILITIES,
  L1SS_CONTROL_1,
  L1SS_CONTROL_2,
  LANE_ERROR_STATUS,
  LINK_CAPABILITIES,
  LINK_CAPABILITIES_2,
  LINK_CONTROL_2,
  LINK_STATUS,
  MAX_NO_SNOOP_LATENCY,
  MAX_SNOOP_LATENCY,
  PCI_EXPRESS_CAPABILITIES,
  SLOT_CAPABILITIES,
  VF_BARS,
} from '../../../src/spec/pcie/index.ts';
import { walkCapabilities } from '../../../src/topology/config/index.ts';
import { ConfigBuilder } from '../../support/config-builder.ts';
import { formatHexDump, type HexDump } from '../../support/hex-dump.ts';
import { compareFunction, emptyTally, summary, withDomain } from '../../support/lspci-compare.ts';
import { lspciVersion, runLspci } from '../../support/lspci-output.ts';

const version = lspciVersion();
const seed = Number(process.env.PEERLANE_SEED ?? 20_260_101);
const FUNCTIONS = 200;

/** Conventional: power management, MSI, MSI-X, AF. */
const CONVENTIONAL = [
  [0x01, 8],
  [0x05, 0x18],
  [0x11, 12],
  [0x13, 6],
] as const;

const EXTENDED = [
  [EXTENDED_ID.ADVANCED_ERROR_REPORTING, 0x48],
  [EXTENDED_ID.ACCESS_CONTROL_SERVICES, 0x28],
  [EXTENDED_ID.ARI, 8],
  [EXTENDED_ID.ADDRESS_TRANSLATION_SERVICES, 8],
  [EXTENDED_ID.PAGE_REQUEST, 0x10],
  [EXTENDED_ID.PASID, 8],
  [EXTENDED_ID.SR_IOV, 0x40],
  [EXTENDED_ID.LATENCY_TOLERANCE_REPORTING, 8],
  [EXTENDED_ID.SECONDARY_PCI_EXPRESS, 0x4c],
  [EXTENDED_ID.DOWNSTREAM_PORT_CONTAINMENT, 0x40],
  [EXTENDED_ID.L1_PM_SUBSTATES, 0x14],
  [EXTENDED_ID.PRECISION_TIME_MEASUREMENT, 12],
  [EXTENDED_ID.DATA_OBJECT_EXCHANGE, 0x18],
  [EXTENDED_ID.VENDOR_SPECIFIC, 0x10],
] as const;

const PORT_TYPES = [0, 1, 4, 5, 6, 9, 10];

function randomFunction(random: SeededRandom, index: number): HexDump {
  const portType = PORT_TYPES[index % PORT_TYPES.length]!;
  const isBridge = portType >= 4 && portType <= 6;
  const config = new ConfigBuilder(isBridge ? 1 : 0);
  // Word by word, with many bits clear in some and many set in others.
  for (let at = 0x40; at < 4096; at += 4) {
    const [a, b] = [random.next32(), random.next32()];
    config.view.setUint32(at, [a, a & b, a | b][random.below(3)]!, true);
  }
  config.view.setUint16(COMMAND.offset, random.next32() & 0x7ff, true);
  config.view.setUint16(6, random.next32() & 0xffff, true);
  config.set(CLASS_CODE, isBridge ? 0x060400 : 0x010802);
  if (isBridge) {
    config
      .set(SECONDARY_BUS_NUMBER, 1 + random.below(100))
      .set(SUBORDINATE_BUS_NUMBER, 101 + random.below(100));
  }
  const express = config.capability(0x10, 0x3c);
  PCI_EXPRESS_CAPABILITIES.Capability_Version.write(config.view, 2, express);
  PCI_EXPRESS_CAPABILITIES.Device_Port_Type.write(config.view, portType, express);
  for (const [id, size] of CONVENTIONAL) {
    config.capability(id, size);
  }
  for (const [id, size] of EXTENDED) {
    const at = config.extended(id, 1 + random.below(2), size);
    config.view.setUint16(at + 2, 1, true);
  }
  makeLegal(config, random, express);
  return {
    address: `${(index >> 5).toString(16).padStart(2, '0')}:${(index & 31).toString(16).padStart(2, '0')}.0`,
    bytes: config.bytes,
  };
}

/** Values that the specification reserves are put right: what they mean is nobody's to say. */
function makeLegal(config: ConfigBuilder, random: SeededRandom, express: number): void {
  const { view } = config;
  LINK_CAPABILITIES.Max_Link_Speed.write(view, 1 + random.below(6), express);
  LINK_CAPABILITIES.Maximum_Link_Width.write(view, 16, express);
  LINK_STATUS.Current_Link_Speed.write(view, 1 + random.below(6), express);
  LINK_CAPABILITIES_2.Supported_Link_Speeds_Vector.write(view, 2 ** (1 + random.below(5)) - 1, express);
  LINK_CONTROL_2.Target_Link_Speed.write(view, random.below(7), express);
  DEVICE_CAPABILITIES_2.Completion_Timeout_Ranges_Supported.write(
    view,
    random.pick([0, 1, 2, 3, 6, 7, 14, 15]),
    express,
  );
  DEVICE_CONTROL_2.Completion_Timeout_Value.write(view, random.pick([0, 1, 2, 5, 6, 9, 10, 13, 14]), express);
  for (const register of [
    DEVICE_CAPABILITIES.Captured_Slot_Power_Limit_Value,
    SLOT_CAPABILITIES.Slot_Power_Limit_Value,
  ]) {
    register.write(view, random.below(0xf3), express);
  }
  for (const { id, offset } of walkCapabilities(config.bytes).extended) {
    if (id === EXTENDED_ID.LATENCY_TOLERANCE_REPORTING) {
      MAX_SNOOP_LATENCY.Max_Snoop_LatencyScale.write(view, random.below(6), offset);
      MAX_NO_SNOOP_LATENCY.Max_No_Snoop_LatencyScale.write(view, random.below(6), offset);
    } else if (id === EXTENDED_ID.SECONDARY_PCI_EXPRESS) {
      // Lanes beyond the link's 16 are reserved.
      view.setUint16(offset + LANE_ERROR_STATUS.offset + 2, 0, true);
    } else if (id === EXTENDED_ID.L1_PM_SUBSTATES) {
      L1SS_CONTROL_1.LTR_L1_2_THRESHOLD_Scale.write(view, random.below(6), offset);
      L1SS_CAPABILITIES.Port_T_POWER_ON_Scale.write(view, random.below(3), offset);
      L1SS_CONTROL_2.T_POWER_ON_Scale.write(view, random.below(3), offset);
    } else if (id === EXTENDED_ID.SR_IOV) {
      for (let i = 0; i < 6; i++) {
        const bar = VF_BARS[i]!;
        bar.Memory_Space_Indicator.write(view, 0, offset);
        const is64Bit = i < 5 && random.below(2) === 1;
        bar.Type.write(view, is64Bit ? 2 : 0, offset);
        if (is64Bit) {
          i++;
          VF_BARS[i]!.setValue(view, random.below(0x10_0000), offset);
        }
      }
    }
  }
}

describe.skipIf(version === null)(`decoding of random capabilities agrees with lspci (${version})`, () => {
  it(`seed ${seed}`, () => {
    const random = new SeededRandom(seed);
    const dumps = Array.from({ length: FUNCTIONS }, (_, index) => randomFunction(random, index));
    const printed = new Map(runLspci(formatHexDump(dumps)).map((fn) => [withDomain(fn.address), fn]));
    const tally = emptyTally();
    for (const dump of dumps) {
      const theirs = printed.get(withDomain(dump.address));
      expect(theirs, dump.address).toBeDefined();
      compareFunction(tally, `seed ${seed}`, theirs!, dump);
    }
    console.log(`lspci agreement on random content, seed ${seed}: ${summary(tally)}`);
    expect(tally.disagreements.slice(0, 400)).toEqual([]);
    expect(tally.fields).toBeGreaterThan(FUNCTIONS * 100);
  });
});
