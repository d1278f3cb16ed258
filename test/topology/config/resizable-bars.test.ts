// Sizes of resizable BARs. PCIe Base 6.0, 7.8.6 and 7.8.7.
import { describe, expect, it } from 'vitest';
import { RESIZABLE_BAR_CAPABILITY, RESIZABLE_BAR_CONTROL } from '../../../src/spec/pcie/index.ts';
import { resizableBars, vfResizableBars } from '../../../src/topology/config/index.ts';
import { expressFunction } from '../../support/config-builder.ts';

const MIB = 2 ** 20;

function withEntries(
  id: number,
  count: number,
  entries: readonly (readonly [index: number, size: number, sizes: number])[],
) {
  const { config } = expressFunction(0);
  const at = config.extended(id, 1, 4 + 8 * entries.length);
  entries.forEach(([index, size, sizes], i) => {
    const base = at + 4 + 8 * i;
    RESIZABLE_BAR_CAPABILITY.Supported_Sizes.write(config.view, sizes, base);
    RESIZABLE_BAR_CONTROL.BAR_Index.write(config.view, index, base);
    RESIZABLE_BAR_CONTROL.BAR_Size.write(config.view, size, base);
    RESIZABLE_BAR_CONTROL.Number_of_Resizable_BARs.write(config.view, i === 0 ? count : 0, base);
  });
  return config;
}

describe('resizable BARs', () => {
  it('tell the size now and the sizes on offer', () => {
    const config = withEntries(0x0015, 2, [
      [0, 8, 0b1111_0000_0000],
      [2, 1, 0b10],
    ]);
    expect(resizableBars(config.bytes)).toEqual([
      { index: 0, currentBytes: 256 * MIB, supportedBytes: [256 * MIB, 512 * MIB, 1024 * MIB, 2048 * MIB] },
      { index: 2, currentBytes: 2 * MIB, supportedBytes: [2 * MIB] },
    ]);
    expect(vfResizableBars(config.bytes)).toBeNull();
  });

  it('reach beyond 128 TiB in the upper mask', () => {
    const config = withEntries(0x0015, 1, [[0, 28, 0]]);
    RESIZABLE_BAR_CONTROL.Supported_Sizes_Upper.write(config.view, 0b1, 0x104);
    expect(resizableBars(config.bytes)).toEqual([
      { index: 0, currentBytes: 2 ** 48, supportedBytes: [2 ** 48] },
    ]);
  });

  it('of VFs have the indices of SR-IOV BARs', () => {
    expect(vfResizableBars(withEntries(0x0024, 1, [[0, 4, 0b10000]]).bytes)).toMatchObject([
      { index: 7, currentBytes: 16 * MIB },
    ]);
  });

  it('stop at the next capability, whatever their number says', () => {
    const config = withEntries(0x0015, 6, [[0, 0, 1]]);
    config.extended(0x000d, 1, 8);
    expect(resizableBars(config.bytes)).toHaveLength(1);
  });

  it('are undefined where the bytes end', () => {
    const config = withEntries(0x0015, 1, [[0, 0, 1]]);
    expect(resizableBars(config.cut(256))).toBeUndefined();
    expect(resizableBars(config.cut(256), { isWhole: true })).toBeNull();
    expect(resizableBars(config.cut(0x106))).toBeUndefined();
  });
});
