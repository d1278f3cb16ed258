import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const examplesFolder = fileURLToPath(new URL('../../../examples/', import.meta.url));

/** Name and text of every example. */
export const examples: readonly (readonly [string, string])[] = readdirSync(examplesFolder)
  .filter((name) => name.endsWith('.yaml'))
  .sort()
  .map((name) => [name, readFileSync(`${examplesFolder}${name}`, 'utf8')] as const);
