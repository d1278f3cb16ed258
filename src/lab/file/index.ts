/**
 * The lab file: text to `LabFile` and back.
 *
 * `parseLab` reads YAML into plain data with every default filled in and every address given, or throws a `LabError` that lists
 * what is wrong with line and column. `printLab` writes it back, leaving out what a default says. The JSON schema for editors is
 * made from the same tables (`labJsonSchema`). `setLabValue` changes one value of a text. Leaves out on purpose: building anything,
 * opening image files, bus numbers, the constants behind the presets that `time`, `timing` and `media` name.
 *
 * Read `lab-file.ts` first, then `tree.ts`; a kind of device is one file in `kinds/`.
 */

export { printFault, readFault } from './fault-fields.ts';
export { labJsonSchema } from './json-schema.ts';
export * from './lab-device.ts';
export * from './lab-fault.ts';
export * from './lab-file.ts';
export * from './lab-function.ts';
export * from './lab-time.ts';
export * from './lab-workload.ts';
export { LAB_FUNCTIONS_MAX } from './limits.ts';
export { labPaths, setLabValue } from './override.ts';
export { printLab } from './print.ts';
export { type LabPosition, type LabReading, parseLab, readLab } from './read.ts';
export { looksLikeLab } from './recognise-lab.ts';
export { streamPosition } from './stream-positions.ts';
export type { LabBlock } from './values.ts';
