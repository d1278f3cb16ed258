// SR-IOV as a PF has it. PCIe Base 6.0, 9.3.3.
import { describe, expect, it } from 'vitest';
import {
  FIRST_VF_OFFSET,
  NUM_VFS,
  SRIOV_CONTROL,
  TOTAL_VFS,
  VF_BARS,
  VF_STRIDE,
} from '../../../src/spec/pcie/index.ts';
import { factsFromConfig, vfRoutingIds } from '../../../src/topology/config/index.ts';
import { expressFunction } from '../../support/config-builder.ts';

function physicalFunction(control = 0x0009) {
  const { config } = expressFunction(0);
  const sriov = config.extended(0x0010, 1, 0x40);
  config
    .set(SRIOV_CONTROL, control, sriov)
    .set(TOTAL_VFS, 8, sriov)
    .set(NUM_VFS, 4, sriov)
    .set(FIRST_VF_OFFSET, 0x80, sriov)
    .set(VF_STRIDE, 2, sriov)
    .set(VF_BARS[0]!, 0xe000_000c, sriov)
    .set(VF_BARS[1]!, 0x10, sriov);
  return config;
}
const factsOf = (bytes: Uint8Array) => factsFromConfig(bytes, { isWhole: true });

describe('SR-IOV', () => {
  it('tells how many VFs there are, and where', () => {
    const { sriov } = factsOf(physicalFunction().bytes);
    expect(sriov).toMatchObject({
      offset: 0x100,
      isEnabled: true,
      isMemoryEnabled: true,
      totalVfs: 8,
      numVfs: 4,
    });
    expect(vfRoutingIds(0x0300, sriov!)).toEqual([0x0380, 0x0382, 0x0384, 0x0386]);
  });

  it('gives BARs the indices that Linux gives them', () => {
    expect(factsOf(physicalFunction().bytes).bars).toMatchObject([
      { index: 7, kind: 'memory', is64Bit: true, isPrefetchable: true, start: 0x10_e000_0000 },
    ]);
  });

  it('that is off has no VFs', () => {
    expect(vfRoutingIds(0x0300, factsOf(physicalFunction(0).bytes).sriov!)).toEqual([]);
  });

  it('does not count past the last bus, nor on a stride that leads nowhere', () => {
    const { sriov } = factsOf(physicalFunction().bytes);
    expect(vfRoutingIds(0xff7d, sriov!)).toEqual([0xfffd, 0xffff]);
    expect(vfRoutingIds(0x0300, { ...sriov!, vfStride: 0 })).toEqual([]);
    expect(vfRoutingIds(0x0300, { ...sriov!, firstVfOffset: 0 })).toEqual([]);
  });

  it('is null where there is none, and undefined where the bytes end', () => {
    expect(factsOf(expressFunction(0).config.bytes).sriov).toBeNull();
    expect(factsFromConfig(physicalFunction().cut(256), { isWhole: false }).sriov).toBeUndefined();
    expect(factsFromConfig(physicalFunction().cut(0x120), { isWhole: false }).sriov).toBeUndefined();
  });
});
