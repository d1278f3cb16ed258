/** Config spaces of a lab as a hex dump that `lspci -F` reads. */
import { lspciHexDump } from '../../topology/index.ts';
import type { SysfsState } from './sysfs-state.ts';
import { functionsOf } from './sysfs-tree.ts';

export function lspciHex(state: SysfsState): string {
  return lspciHexDump(functionsOf(state).map(({ bdf, config, facts }) => ({ ...facts, bdf, config })));
}
