/** SR-IOV as it stands: how many VFs there are and at which addresses. PCIe Base 6.0, 9.3.3. */
import {
  FIRST_VF_OFFSET,
  INITIAL_VFS,
  NUM_VFS,
  SR_IOV,
  SRIOV_CONTROL,
  TOTAL_VFS,
  VF_BARS,
  VF_DEVICE_ID,
  VF_STRIDE,
} from '../../spec/pcie/index.ts';
import type { Bar } from '../machine.ts';
import { barsOf, FIRST_SRIOV_INDEX } from './bars.ts';
import type { ConfigView } from './config-view.ts';
import type { ConfigFinding } from './finding.ts';

export interface SriovState {
  /** Where the capability lies in config space. */
  readonly offset: number;
  /** VF Enable: the VFs answer. */
  readonly isEnabled: boolean;
  /** VF MSE: the VFs decode their memory. A VF's own COMMAND has no such bit. */
  readonly isMemoryEnabled: boolean;
  readonly initialVfs: number;
  readonly totalVfs: number;
  readonly numVfs: number;
  /** Routing ID (bus, device, function as 16 bits) of VF n, counted from 0: the PF's + firstVfOffset + n * vfStride. */
  readonly firstVfOffset: number;
  readonly vfStride: number;
  readonly vfDeviceId: number;
  /** Indices 7 to 12; each holds the first VF's memory, followed by the others'. */
  readonly bars: readonly Bar[];
}

/** Undefined when the bytes end before the capability does. */
export function sriovState(
  view: ConfigView,
  base: number,
  findings: ConfigFinding[],
): SriovState | undefined {
  if (base + SR_IOV.sizeBytes > view.lengthBytes) {
    return undefined;
  }
  const data = view.data;
  const isMemoryEnabled = SRIOV_CONTROL.VF_MSE.read(data, base) === 1;
  return {
    offset: base,
    isEnabled: SRIOV_CONTROL.VF_Enable.read(data, base) === 1,
    isMemoryEnabled,
    initialVfs: INITIAL_VFS.value(data, base),
    totalVfs: TOTAL_VFS.value(data, base),
    numVfs: NUM_VFS.value(data, base),
    firstVfOffset: FIRST_VF_OFFSET.value(data, base),
    vfStride: VF_STRIDE.value(data, base),
    vfDeviceId: VF_DEVICE_ID.value(data, base),
    bars: barsOf(view, VF_BARS, base, FIRST_SRIOV_INDEX, { memory: isMemoryEnabled, io: false }, findings),
  };
}

/** Routing IDs of the VFs that are enabled, in order. More than 65536 or beyond the last bus are left out. */
export function vfRoutingIds(
  pfRoutingId: number,
  state: Pick<SriovState, 'isEnabled' | 'numVfs' | 'firstVfOffset' | 'vfStride'>,
): number[] {
  const ids: number[] = [];
  if (!state.isEnabled || (state.numVfs > 1 && state.vfStride === 0) || state.firstVfOffset === 0) {
    return ids;
  }
  for (let n = 0; n < state.numVfs; n++) {
    const id = pfRoutingId + state.firstVfOffset + n * state.vfStride;
    if (id > 0xffff) {
      break;
    }
    ids.push(id);
  }
  return ids;
}
