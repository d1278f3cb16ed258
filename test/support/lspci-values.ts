// What lspci (pciutils 3.9) prints beside its flags, by our name of the capability (`header` for the header).
import { CONVENTIONAL_VALUES } from './lspci-values-conventional.ts';
import { EXPRESS_VALUES } from './lspci-values-express.ts';
import { EXTENDED_VALUES } from './lspci-values-extended.ts';
import type { ValueRule } from './lspci-words.ts';

export const LSPCI_VALUES: Readonly<Record<string, readonly ValueRule[]>> = {
  ...CONVENTIONAL_VALUES,
  ...EXPRESS_VALUES,
  ...EXTENDED_VALUES,
};
