/** Texts of sysfs and procfs. */
import { ATTRIBUTE_LIMIT_BYTES, type FileTree } from '../file-tree.ts';

const decoder = new TextDecoder('utf-8', { fatal: false });

/**
 * The text of a file, or undefined where it cannot be read. It ends at the first zero byte: tar pads attributes to the
 * 4096 bytes that sysfs claims for them.
 */
export function textOf(
  tree: FileTree,
  path: string,
  limitBytes: number = ATTRIBUTE_LIMIT_BYTES,
): string | undefined {
  const bytes = tree.read(path, limitBytes);
  if (typeof bytes === 'string') {
    return undefined;
  }
  const end = bytes.indexOf(0);
  return decoder.decode(end === -1 ? bytes : bytes.subarray(0, end)).trim();
}

/** The last component of a path or link. */
export function lastComponent(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** `0x10de` and the like, up to `max`; undefined for anything else. */
export function hexNumber(text: string | undefined, max: number): number | undefined {
  if (text === undefined || !/^0x[0-9a-f]{1,8}$/i.test(text)) {
    return undefined;
  }
  const value = Number.parseInt(text, 16);
  return value <= max ? value : undefined;
}

/** A plain decimal number from `min` (default 0) to `max`; undefined for anything else. */
export function decimalNumber(text: string | undefined, max: number, min = 0): number | undefined {
  if (text === undefined || !/^-?[0-9]{1,16}$/.test(text)) {
    return undefined;
  }
  const value = Number(text);
  return value >= min && value <= max ? value : undefined;
}

/** A link's text as a path from the root of the tree, without looking whether anything is there. */
export function linkDestination(folder: string, target: string): string {
  const parts = target.startsWith('/') ? [] : folder.split('/');
  for (const part of target.split('/')) {
    if (part === '..') {
      parts.pop();
    } else if (part !== '' && part !== '.') {
      parts.push(part);
    }
  }
  return parts.join('/');
}
