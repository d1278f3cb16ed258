/** Labs for the tests of the command line: those of examples/, and small ones with something special. */
import { fileURLToPath } from 'node:url';

/** A lab file of examples/. */
export function exampleLab(name: string): string {
  return fileURLToPath(new URL(`../../examples/${name}.yaml`, import.meta.url));
}

/** Two drives below one switch; `first` and `second` are further lines of each. */
export function labText(first: readonly string[] = [], second: readonly string[] = []): string {
  const drive = (name: string, lines: readonly string[]): string[] => [
    `      - nvme: ${name}`,
    ...lines.map((line) => `        ${line}`),
  ];
  return [
    'peerlane: lab/1',
    'below:',
    '  - switch: sw0',
    '    below:',
    ...drive('nvme0', first),
    ...drive('nvme1', second),
    '',
  ].join('\n');
}
