/**
 * What a lab file is before it means anything: texts, lists and blocks of keys. YAML's own guesses about types are not used (`7.10`
 * is a kernel, `0010` a serial number, `off` a word), so every field reads its own text.
 */
export type LabValue = string | null | readonly LabValue[] | LabBlock;
export interface LabBlock {
  readonly [key: string]: LabValue;
}

export function isBlock(value: unknown): value is LabBlock {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Way to a value from the root. */
export type LabPath = readonly (string | number)[];
