import { describe, expect, it } from 'vitest';
import {
  type ConfigChange,
  type ConfigSpace,
  functionConfig,
  hostBridgeConfig,
  type PortDescription,
  portConfig,
  setLink,
  setPresence,
  virtualFunctionConfig,
  virtualFunctions,
} from '../../../src/fabric/config/index.ts';
import type { FunctionDescription } from '../../../src/fabric/model.ts';
import {
  ACS_CONTROL,
  DEVICE_CONTROL,
  LINK_CONTROL,
  LINK_STATUS,
  NUM_VFS,
  PAGE_REQUEST_CONTROL,
  PAGE_REQUEST_STATUS,
  RESIZABLE_BAR_CONTROL,
  SLOT_STATUS,
  SRIOV_CONTROL,
  SYSTEM_PAGE_SIZE,
  UNCORRECTABLE_ERROR_MASK,
  UNCORRECTABLE_ERROR_STATUS,
} from '../../../src/spec/pcie/index.ts';
import { neverCreated } from './descriptions.ts';

const MIB = 2 ** 20;
const GIB = 2 ** 30;

const drive: FunctionDescription = {
  vendorId: 0x1234,
  deviceId: 0x5678,
  subsystemVendorId: 0x1111,
  subsystemDeviceId: 0x2222,
  revision: 3,
  classCode: 0x010802,
  bars: [
    { index: 0, kind: 'memory', sizeBytes: 0x4000, is64Bit: true, isPrefetchable: false, regions: [] },
    {
      index: 4,
      kind: 'memory',
      sizeBytes: 256 * MIB,
      is64Bit: true,
      isPrefetchable: true,
      regions: [],
      resizableTo: [256 * MIB, GIB, 64 * GIB],
    },
  ],
  interruptPin: 1,
  msix: { vectorCount: 33, tableBar: 0, tableOffsetBytes: 0x2000, pendingBar: 0, pendingOffsetBytes: 0x3000 },
  msiVectorCount: 4,
  express: {
    maxPayloadBytes: 512,
    canExtendTags: true,
    canResetFunction: true,
    hasAer: true,
    hasAts: true,
    hasPri: true,
    acs: null,
    linkSpeedGTs: 16,
    linkWidth: 4,
  },
  sriov: {
    totalVfs: 8,
    firstVfOffset: 8,
    vfStride: 1,
    vfDeviceId: 0x9999,
    bars: [
      { index: 0, kind: 'memory', sizeBytes: 0x1000, is64Bit: true, isPrefetchable: false, regions: [] },
    ],
    createVf: neverCreated,
  },
  serialNumber: { low: 1, high: 2 },
};

const port: PortDescription = {
  kind: 'switch-downstream',
  vendorId: 0x10b5,
  deviceId: 0x8796,
  subsystem: null,
  portNumber: 3,
  slot: { physicalNumber: 12, isHotPlugCapable: true, isSurpriseCapable: true },
  acs: { capability: 0x5f },
  linkSpeedGTs: 8,
  linkWidth: 4,
  maxPayloadBytes: 256,
  hasAer: true,
  isMultiFunction: false,
};

function changesOf(space: ConfigSpace): ConfigChange[] {
  const changes: ConfigChange[] = [];
  space.onChange = (what) => changes.push(what);
  return changes;
}

describe('command', () => {
  it('tells that it changed, once, and not when the same is stored again', () => {
    const space = functionConfig(drive);
    const changes = changesOf(space);
    space.write(4, 2, 6);
    space.write(4, 2, 6);
    expect(changes).toEqual(['command']);
    expect([space.isMemoryEnabled, space.isBusMaster, space.isIoEnabled]).toEqual([true, true, false]);
  });

  it('has no I/O enable without an I/O BAR and no interrupt disable without a pin', () => {
    const space = functionConfig({ ...drive, interruptPin: 0 });
    space.write(4, 2, 0xffff);
    expect(space.read(4, 2)).toBe(0x0146);
  });
});

describe('function level reset (6.6.2)', () => {
  it('is told when a one is written to a function that can, and the bit reads zero', () => {
    const space = functionConfig(drive);
    const changes = changesOf(space);
    const at = space.offsets.express + DEVICE_CONTROL.offset;
    space.write(at, 2, space.read(at, 2) | 0x8000);
    expect(changes).toEqual(['function-reset']);
    expect(space.read(at, 2) & 0x8000).toBe(0);
  });

  it('is not told when the byte of the bit is not written, or the function cannot', () => {
    const space = functionConfig(drive);
    const changes = changesOf(space);
    space.write(space.offsets.express + DEVICE_CONTROL.offset, 1, 0xff);
    expect(changes).toEqual(['device-control']);
    const fixed = functionConfig({ ...drive, express: { ...drive.express!, canResetFunction: false } });
    const others = changesOf(fixed);
    fixed.write(
      fixed.offsets.express + DEVICE_CONTROL.offset,
      2,
      0x8000 | fixed.read(fixed.offsets.express + 8, 2),
    );
    expect(others).toEqual([]);
  });

  it('keeps sticky bits, payload size and link control, and drops the rest', () => {
    const space = functionConfig(drive);
    const { express, aer } = space.offsets;
    setLink(space, { speedGTs: 8, width: 2 });
    space.write(4, 2, 6);
    space.write(0x10, 4, 0xf000_0000);
    space.write(express + DEVICE_CONTROL.offset, 2, 0x2950 | (2 << 5));
    space.write(express + LINK_CONTROL.offset, 2, 0x0040);
    space.write(aer + UNCORRECTABLE_ERROR_MASK.offset, 4, 0x0010_0000);
    space.set(UNCORRECTABLE_ERROR_STATUS.Unsupported_Request_Error, 1, aer);
    space.reset('function');
    expect(space.read(4, 2)).toBe(0);
    expect(space.barAddress(0)).toBe(0);
    expect(DEVICE_CONTROL.Max_Payload_Size.read(space.view, express)).toBe(2);
    expect(DEVICE_CONTROL.Max_Read_Request_Size.read(space.view, express)).toBe(2);
    expect(LINK_CONTROL.Common_Clock_Configuration.read(space.view, express)).toBe(1);
    expect(UNCORRECTABLE_ERROR_MASK.value(space.view, aer)).toBe(0x0010_0000);
    expect(UNCORRECTABLE_ERROR_STATUS.Unsupported_Request_Error.read(space.view, aer)).toBe(1);
    expect(LINK_STATUS.Current_Link_Speed.read(space.view, express)).toBe(3);
  });
});

describe('hot reset and power off', () => {
  it('a hot reset keeps sticky bits only; power off keeps none, but the link is as it is', () => {
    const space = functionConfig(drive);
    const { express, aer } = space.offsets;
    setLink(space, { speedGTs: 8, width: 2 });
    space.write(express + DEVICE_CONTROL.offset, 2, 2 << 5);
    space.set(UNCORRECTABLE_ERROR_STATUS.Completion_Timeout, 1, aer);
    space.reset('bus');
    expect(DEVICE_CONTROL.Max_Payload_Size.read(space.view, express)).toBe(0);
    expect(UNCORRECTABLE_ERROR_STATUS.Completion_Timeout.read(space.view, aer)).toBe(1);
    space.reset('power');
    expect(UNCORRECTABLE_ERROR_STATUS.Completion_Timeout.read(space.view, aer)).toBe(0);
    expect(LINK_STATUS.Negotiated_Link_Width.read(space.view, express)).toBe(2);
  });
});

describe('power state (7.5.2.2)', () => {
  it('takes D3hot and D0, and ignores the states that are not supported', () => {
    const space = functionConfig(drive);
    const changes = changesOf(space);
    const at = space.offsets.pm + 4;
    space.write(at, 2, 3);
    expect(space.powerState).toBe(3);
    space.write(at, 2, 1);
    expect(space.powerState).toBe(3);
    space.write(at, 2, 0);
    expect(space.powerState).toBe(0);
    expect(changes).toEqual(['power', 'power']);
  });
});

describe('ACS (7.7.11)', () => {
  it('lets software set the supported bits only', () => {
    const space = portConfig(port);
    const changes = changesOf(space);
    space.write(space.offsets.acs + ACS_CONTROL.offset, 2, 0xffff);
    expect(ACS_CONTROL.value(space.view, space.offsets.acs)).toBe(0x5f);
    expect(changes).toEqual(['acs']);
  });

  it('starts with what straps say, and goes back to it', () => {
    const space = portConfig({ ...port, acs: { capability: 0x1f, firmwareControl: 0x7d } });
    expect(ACS_CONTROL.value(space.view, space.offsets.acs)).toBe(0x1d);
    space.write(space.offsets.acs + ACS_CONTROL.offset, 2, 0);
    space.reset('bus');
    expect(ACS_CONTROL.value(space.view, space.offsets.acs)).toBe(0x1d);
  });

  it('has as many egress control bits as it says, and none without EC', () => {
    const space = portConfig({ ...port, acs: { capability: 0x20, egressVectorBits: 40 } });
    const { acs } = space.offsets;
    expect(space.read(acs + 5, 1)).toBe(40);
    space.write(acs + 8, 4, 0xffff_ffff);
    space.write(acs + 12, 4, 0xffff_ffff);
    expect([space.read(acs + 8, 4), space.read(acs + 12, 4)]).toEqual([0xffff_ffff, 0xff]);
    const without = portConfig(port);
    expect(without.read(without.offsets.acs + 5, 1)).toBe(0);
    const full = portConfig({ ...port, acs: { capability: 0x20, egressVectorBits: 256 } });
    expect(full.read(full.offsets.acs + 5, 1)).toBe(0);
  });
});

describe('Resizable BAR (7.8.6)', () => {
  const controlOf = (space: ConfigSpace) => space.offsets.rebar + 4 + RESIZABLE_BAR_CONTROL.offset;

  it('gives the BAR another size and clears the address bits that are gone', () => {
    const space = functionConfig(drive);
    const changes = changesOf(space);
    space.write(0x20, 4, 0xd000_0000);
    space.write(0x24, 4, 0x11);
    space.write(controlOf(space) + 1, 1, 16);
    expect(space.bar(4)!.sizeBytes).toBe(64 * GIB);
    expect(space.barAddress(4)).toBe(0x10_0000_0000);
    expect(changes).toEqual(['bar', 'bar', 'rebar']);
    space.reset('bus');
    expect(space.bar(4)!.sizeBytes).toBe(256 * MIB);
    space.write(0x20, 4, 0xffff_ffff);
    expect(space.read(0x20, 4)).toBe(0xf000_000c);
  });

  it('does not take a size that is not offered', () => {
    const space = functionConfig(drive);
    space.write(controlOf(space) + 1, 1, 9);
    expect(space.bar(4)!.sizeBytes).toBe(256 * MIB);
    expect(space.read(controlOf(space) + 1, 1)).toBe(8);
  });
});

describe('SR-IOV (9.3.3)', () => {
  it('holds NumVFs while VFs are enabled and never takes more than there are', () => {
    const space = functionConfig(drive);
    const { sriov } = space.offsets;
    space.write(sriov + NUM_VFS.offset, 2, 9);
    expect(virtualFunctions(space)!.count).toBe(0);
    space.write(sriov + NUM_VFS.offset, 2, 5);
    space.write(sriov + SRIOV_CONTROL.offset, 2, 9);
    space.write(sriov + NUM_VFS.offset, 2, 2);
    expect(virtualFunctions(space)).toEqual({
      isEnabled: true,
      isMemoryEnabled: true,
      count: 5,
      firstOffset: 8,
      stride: 1,
    });
    space.reset('function');
    expect(virtualFunctions(space)!.isEnabled).toBe(false);
  });

  it('ignores a page size that is none or not offered', () => {
    const space = functionConfig(drive);
    const { sriov } = space.offsets;
    for (const [written, kept] of [
      [3, 1],
      [4, 1],
      [0, 1],
      [0x10, 0x10],
    ] as const) {
      space.write(sriov + SYSTEM_PAGE_SIZE.offset, 4, written);
      expect(SYSTEM_PAGE_SIZE.value(space.view, sriov)).toBe(kept);
    }
    expect(space.vfBars[0]!.sizeBytes).toBe(0x1_0000);
  });

  it('a virtual function reads ffff and zero where its physical one decides (9.3.4)', () => {
    const space = virtualFunctionConfig({ ...drive, sriov: null });
    for (let offset = 0x10; offset < 0x28; offset += 4) {
      space.write(offset, 4, 0xffff_ffff);
      expect(space.read(offset, 4)).toBe(0);
    }
    space.write(4, 2, 0xffff);
    space.write(space.offsets.express + DEVICE_CONTROL.offset, 2, 0x7fff);
    expect(space.read(0, 4)).toBe(0xffff_ffff);
    expect(space.read(4, 2)).toBe(4);
    expect(space.read(space.offsets.express + DEVICE_CONTROL.offset, 2)).toBe(0);
    expect([space.offsets.pri, space.offsets.sriov, space.offsets.rebar]).toEqual([0, 0, 0]);
    const changes = changesOf(space);
    space.write(space.offsets.express + DEVICE_CONTROL.offset, 2, 0x8000);
    expect(changes).toEqual(['function-reset']);
  });
});

describe('links and slots', () => {
  it('shows the link and latches its change in the slot, which software clears', () => {
    const space = portConfig(port);
    const { express } = space.offsets;
    setPresence(space, true);
    setLink(space, { speedGTs: 8, width: 4 });
    expect(LINK_STATUS.Data_Link_Layer_Link_Active.read(space.view, express)).toBe(1);
    expect(SLOT_STATUS.value(space.view, express)).toBe(0x0148);
    const changes = changesOf(space);
    space.write(express + SLOT_STATUS.offset, 2, 0x0108);
    expect(SLOT_STATUS.value(space.view, express)).toBe(0x0040);
    expect(changes).toEqual(['slot']);
    setLink(space, null);
    expect(SLOT_STATUS.value(space.view, express)).toBe(0x0140);
    expect(LINK_STATUS.Negotiated_Link_Width.read(space.view, express)).toBe(0);
  });

  it('a port without a slot has no slot registers', () => {
    const space = portConfig({ ...port, slot: null });
    setPresence(space, true);
    space.write(space.offsets.express + 0x18, 4, 0xffff_ffff);
    expect(space.read(space.offsets.express + 0x18, 4)).toBe(0);
  });

  it('Retrain Link reads zero and is told', () => {
    const space = portConfig(port);
    const changes = changesOf(space);
    space.write(space.offsets.express + LINK_CONTROL.offset, 2, 0x20);
    expect(space.read(space.offsets.express + LINK_CONTROL.offset, 2)).toBe(0);
    expect(changes).toEqual(['link-control']);
  });
});

describe('page requests (10.5.2)', () => {
  it('are stopped while not enabled', () => {
    const space = functionConfig(drive);
    const { pri } = space.offsets;
    expect(PAGE_REQUEST_STATUS.Stopped.read(space.view, pri)).toBe(1);
    space.write(pri + PAGE_REQUEST_CONTROL.offset, 2, 1);
    expect(PAGE_REQUEST_STATUS.Stopped.read(space.view, pri)).toBe(0);
  });
});

describe('bridges', () => {
  it('come up with every window closed', () => {
    const space = portConfig(port);
    expect(space.read(0x20, 2)).toBeGreaterThan(space.read(0x22, 2));
    expect(space.read(0x24, 2) & 0xfff0).toBeGreaterThan(space.read(0x26, 2) & 0xfff0);
    expect(space.read(0x1c, 1) & 0xf0).toBeGreaterThan(space.read(0x1d, 1) & 0xf0);
  });

  it('tell bus numbers, windows and bridge control apart', () => {
    const space = portConfig(port);
    const changes = changesOf(space);
    space.write(0x18, 4, 0x0005_0403);
    space.write(0x20, 4, 0xe010_e000);
    space.write(0x3e, 2, 0x0040);
    expect(changes).toEqual(['bus-numbers', 'window', 'bridge-control']);
    expect(space.read(0x22, 2)).toBe(0xe010);
  });
});

describe('edges', () => {
  it('a conventional function has 256 bytes and nothing beyond', () => {
    const space = functionConfig({ ...drive, express: null });
    expect(space.sizeBytes).toBe(256);
    expect(space.read(0x100, 4)).toBe(0xffff_ffff);
    expect(space.read(0xffe, 2)).toBe(0xffff);
    space.write(0x100, 4, 0);
    expect(space.offsets.express).toBe(0);
  });

  it('a host bridge function is an identity', () => {
    const space = hostBridgeConfig({ vendorId: 0x8086, deviceId: 0x09a2 });
    expect(space.read(8, 4) >>> 8).toBe(0x060000);
    expect(space.read(0x34, 1)).toBe(0);
  });

  it('a BAR address from 2^53 on is nowhere', () => {
    const space = functionConfig(drive);
    space.write(0x14, 4, 0xffff_ffff);
    expect(space.barAddress(0)).toBe(Number.POSITIVE_INFINITY);
    expect(space.barAddress(1)).toBeUndefined();
  });
});
