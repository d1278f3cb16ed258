/**
 * A machine that was read, from whatever, becomes a lab: so that a change of slot, ACS setting or kernel can be tried before the
 * real machine is touched.
 *
 * Leaves out on purpose: reading (that is `topology`) and writing the text (`printLab`). What a reading cannot tell and a lab
 * must say is assumed, and each assumption is a note. Read `import-machine.ts` first.
 */
export { type ImportedLab, importMachine } from './import-machine.ts';
