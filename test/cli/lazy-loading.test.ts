/** What a command loads before it is asked for: labs need a YAML parser and a validator, and nobody else should wait for them. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const src = fileURLToPath(new URL('../../src/', import.meta.url));

/** Everything that a module imports when it is loaded, itself included; packages by their name. */
function loadedBy(module: string, seen = new Set<string>()): Set<string> {
  const path = join(src, module);
  if (seen.has(module)) {
    return seen;
  }
  seen.add(module);
  const text = readFileSync(path, 'utf8');
  for (const [, clause, from] of text.matchAll(/^(?:import|export) ((?!type )[^;]*?)from '([^']+)';/gms)) {
    // `import { type A, type B }` leaves nothing to load.
    const names = /\{([^}]*)\}/s
      .exec(clause!)?.[1]
      ?.split(',')
      .map((name) => name.trim())
      .filter(Boolean);
    if (names?.every((name) => name.startsWith('type ')) === true) {
      continue;
    }
    if (from!.startsWith('.')) {
      const target = join(dirname(path), from!);
      expect(existsSync(target), `${module} imports ${from}`).toBe(true);
      loadedBy(relative(src, target), seen);
    } else {
      seen.add(from!);
    }
  }
  return seen;
}

const isOfLabs = (name: string): boolean =>
  /^(?:lab|fabric|devices|drivers)\//.test(name) || ['zod', 'yaml'].includes(name);

describe('what is not asked for is not loaded', () => {
  it.each([
    'cli/program.ts',
    ...['topo', 'show', 'matrix', 'check', 'fix', 'lint', 'diff', 'snapshot', 'copy', 'bench'].map(
      (name) => `cli/commands/${name}.ts`,
    ),
    'cli/transfer/live-machine.ts',
  ])('%s loads nothing of labs', (module) => {
    expect([...loadedBy(module)].filter(isOfLabs)).toEqual([]);
  });

  it('and what labs need is found by this test', () => {
    const loaded = [...loadedBy('cli/lab/boot.ts')];
    expect(loaded).toEqual(expect.arrayContaining(['zod', 'yaml', 'fabric/index.ts']));
  });

  it('the version needs no command line parser', () => {
    expect([...loadedBy('cli/main.ts')]).toEqual(['cli/main.ts', 'node:fs']);
  });
});
