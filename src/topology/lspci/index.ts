/**
 * `lspci` text to a `Machine`: `-t`, `-v` to `-vvv`, `-x` to `-xxxx`, `-n`, `-nn`, `-mm`, `-vmm`, `-D`, `-k`, `-P`, `-PP`,
 * any of them after each other in one file, as pciutils 3.1 to 3.14 print them, taken by root or not.
 *
 * Leaves out on purpose: finding a pci.ids to look names up in (it is handed in), and every capability that no verdict needs. Follows what lspci
 * prints; registers are decoded by `config`. Read `scan.ts` first.
 */
export { type LspciOptions, readLspci } from './read-lspci.ts';
