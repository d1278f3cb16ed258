import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { runCli } from '../cli/run-cli.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const blocks = [...readme.matchAll(/```console\n\$ npx peerlane ([^\n]+)\n([\s\S]*?)\n```/g)];

describe('README', () => {
  it('shows the demo first, then what labs do, then five examples', () => {
    expect(blocks.map((block) => block[1]!.split(' ')[0])).toEqual([
      'demo',
      'lab',
      'lab',
      'lab',
      ...Array.from({ length: 5 }, () => '-m'),
    ]);
  });

  it.each(blocks.map((block) => [block[1]!, block[2]!]))(
    'shows what `peerlane %s` prints',
    async (command, shown) => {
      const { stdout } = await runCli(command.split(' '), [], { columns: 100 });
      // `[...]` stands for lines left out; the parts between must follow each other in the output.
      let from = 0;
      for (const part of shown.split('[...]').map((text) => text.replace(/^\n+|\n+$/g, ''))) {
        const at = stdout.indexOf(part, from);
        expect(at, `not in the output of today:\n${part}`).toBeGreaterThanOrEqual(0);
        from = at + part.length;
      }
    },
  );
});
