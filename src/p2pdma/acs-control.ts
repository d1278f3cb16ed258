/** The bits of the ACS Control word that decide here, from the register table (PCIe Base 6.0, 7.7.11.3). */
import { ACS_CONTROL } from '../spec/pcie/index.ts';

export const ACS_SV = 1 << ACS_CONTROL.ACS_Source_Validation_Enable.low;
export const ACS_TB = 1 << ACS_CONTROL.ACS_Translation_Blocking_Enable.low;
export const ACS_RR = 1 << ACS_CONTROL.ACS_P2P_Request_Redirect_Enable.low;
export const ACS_CR = 1 << ACS_CONTROL.ACS_P2P_Completion_Redirect_Enable.low;
export const ACS_UF = 1 << ACS_CONTROL.ACS_Upstream_Forwarding_Enable.low;
export const ACS_EC = 1 << ACS_CONTROL.ACS_P2P_Egress_Control_Enable.low;
export const ACS_DT = 1 << ACS_CONTROL.ACS_Direct_Translated_P2P_Enable.low;

/** What the kernel calls redirect: RR, CR and EC alike, at any function of the walk. */
export const KERNEL_REDIRECT_BITS = ACS_RR | ACS_CR | ACS_EC;

/** `SV RR CR UF` for a control or capability word. */
export function acsBitNames(word: number): string {
  return BIT_NAMES.filter(([bit]) => (word & bit) !== 0)
    .map(([, name]) => name)
    .join(' ');
}

/** Lowest bit first, which is also the order of `pci=config_acs=` read from the right. */
export const BIT_NAMES: readonly (readonly [number, string])[] = [
  [ACS_SV, 'SV'],
  [ACS_TB, 'TB'],
  [ACS_RR, 'RR'],
  [ACS_CR, 'CR'],
  [ACS_UF, 'UF'],
  [ACS_EC, 'EC'],
  [ACS_DT, 'DT'],
];
