// The table of the shared topology data: what each file holds, as counted by whoever collected it.
import { readdirSync, readFileSync } from 'node:fs';
import { hasTestdata, testdataPath } from './testdata.ts';

const ROOT = ['data', 'topologies'] as const;

export const hasTopologies = hasTestdata(...ROOT);

/** Files of a folder of the topology data, sorted; none where the data is absent. */
export function topologyFiles(folder: string): readonly string[] {
  return hasTopologies ? readdirSync(testdataPath(...ROOT, folder)).sort() : [];
}

export function topologyBytes(folder: string, name: string): Uint8Array {
  return readFileSync(testdataPath(...ROOT, folder, name));
}

export function topologyText(folder: string, name: string): string {
  return readFileSync(testdataPath(...ROOT, folder, name), 'utf8');
}

/** The column `contents (counted)` of MANIFEST.md. */
export function countedContents(folder: string, name: string): string {
  for (const line of readFileSync(testdataPath(...ROOT, 'MANIFEST.md'), 'utf8').split('\n')) {
    const cells = line.split('|').map((cell) => cell.trim());
    if (cells[1] === `\`${folder}/${name}\``) {
      return cells[2]!;
    }
  }
  throw new Error(`${folder}/${name} is not in MANIFEST.md`);
}

/** The number that stands in front of a word of that column: `numberBefore('13 PCIDev, 7 bridges', 'bridges')` is 7. */
export function numberBefore(contents: string, words: string): number {
  const match = new RegExp(`(\\d+) ${words}`).exec(contents);
  if (match === null) {
    throw new Error(`no "${words}" in "${contents}"`);
  }
  return Number(match[1]);
}

/** The number that stands behind. */
export function numberAfter(contents: string, words: string): number {
  const match = new RegExp(`${words} (\\d+)`).exec(contents);
  if (match === null) {
    throw new Error(`no "${words}" in "${contents}"`);
  }
  return Number(match[1]);
}
