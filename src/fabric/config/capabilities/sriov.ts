/** Single Root I/O Virtualization of a physical function. PCIe Base 6.0, 9.3.3. */
import { assert } from '../../../base/index.ts';
import {
  EXTENDED_ID,
  FIRST_VF_OFFSET,
  INITIAL_VFS,
  NUM_VFS,
  SR_IOV,
  SRIOV_CONTROL,
  SRIOV_STATUS,
  SUPPORTED_PAGE_SIZES,
  SYSTEM_PAGE_SIZE,
  TOTAL_VFS,
  VF_BARS,
  VF_DEVICE_ID,
  VF_STRIDE,
} from '../../../spec/pcie/index.ts';
import type { SriovDescription } from '../../model.ts';
import type { ConfigDraft } from '../config-draft.ts';
import type { ConfigSpace } from '../config-space.ts';

/** 4 KiB, 8 KiB, 64 KiB, 256 KiB, 1 MiB and 4 MiB: what every device must offer. 9.3.3.13. */
const REQUIRED_PAGE_SIZES = 0x553;
const PAGE_4K = 1;

export function addSriov(draft: ConfigDraft, sriov: SriovDescription): number {
  assert(sriov.totalVfs >= 1 && sriov.totalVfs <= 0xffff, 'SR-IOV has 1 to 65535 virtual functions');
  const base = draft.extended('sriov', EXTENDED_ID.SR_IOV, 1, SR_IOV, 'sriov');
  draft
    .set(INITIAL_VFS, sriov.totalVfs, base)
    .set(TOTAL_VFS, sriov.totalVfs, base)
    .set(FIRST_VF_OFFSET, sriov.firstVfOffset, base)
    .set(VF_STRIDE, sriov.vfStride, base)
    .set(VF_DEVICE_ID, sriov.vfDeviceId, base)
    .set(SUPPORTED_PAGE_SIZES, REQUIRED_PAGE_SIZES, base)
    .set(SYSTEM_PAGE_SIZE, PAGE_4K, base)
    .hardwire(
      base,
      SRIOV_CONTROL.VF_Migration_Enable,
      SRIOV_CONTROL.VF_Migration_Interrupt_Enable,
      SRIOV_CONTROL.VF_10_Bit_Tag_Requester_Enable,
      SRIOV_CONTROL.VF_14_Bit_Tag_Requester_Enable,
      SRIOV_STATUS.VF_Migration_Status,
    )
    .bars(sriov.bars, VF_BARS[0]!.offset, VF_BARS, base);
  draft.rule(base + NUM_VFS.offset, (space, before) => {
    // Changing it while virtual functions are there, or beyond what there can be, is undefined: it stays. 9.3.3.7.
    const count = NUM_VFS.value(space.view, base);
    if (count > sriov.totalVfs || isEnabled(space, base)) {
      space.set(NUM_VFS, before & 0xffff, base);
    }
    return undefined;
  });
  draft.rule(base + SYSTEM_PAGE_SIZE.offset, (space, before) => {
    const size = SYSTEM_PAGE_SIZE.value(space.view, base);
    const isOne = size !== 0 && (size & (size - 1)) === 0;
    if (!isOne || (size & REQUIRED_PAGE_SIZES) === 0 || isEnabled(space, base)) {
      space.set(SYSTEM_PAGE_SIZE, before, base);
    } else {
      // A BAR of a virtual function is never smaller than a page. 9.3.3.14.
      for (const bar of space.vfBars) {
        space.resizeBar(bar, Math.max(bar.initialSizeBytes, size * 4096));
      }
    }
    return undefined;
  });
  return base;
}

function isEnabled(space: ConfigSpace, base: number): boolean {
  return SRIOV_CONTROL.VF_Enable.read(space.view, base) === 1;
}

/** The state of a physical function's virtual ones; null when it has no capability for them. */
export interface VirtualFunctions {
  /** VF Enable. */
  readonly isEnabled: boolean;
  /** VF MSE: their BARs are decoded. */
  readonly isMemoryEnabled: boolean;
  /** NumVFs: how many there are while enabled. */
  readonly count: number;
  /** Routing ID of virtual function n: that of the physical one + firstOffset + n * stride. */
  readonly firstOffset: number;
  readonly stride: number;
}

export function virtualFunctions(space: ConfigSpace): VirtualFunctions | null {
  const base = space.offsets.sriov;
  if (base === 0) {
    return null;
  }
  return {
    isEnabled: isEnabled(space, base),
    isMemoryEnabled: SRIOV_CONTROL.VF_MSE.read(space.view, base) === 1,
    count: NUM_VFS.value(space.view, base),
    firstOffset: FIRST_VF_OFFSET.value(space.view, base),
    stride: VF_STRIDE.value(space.view, base),
  };
}
