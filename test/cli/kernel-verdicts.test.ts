/** The printed answers against a running kernel's, for the recorded machines of this repository: every pair, by `matrix`. */
import { describe, expect, it } from 'vitest';
import { golden, goldenCases, kernelAnswers } from './inputs.ts';
import { runCli } from './run-cli.ts';

interface Line {
  readonly provider: string;
  readonly client: string;
  readonly distance: number | null;
  readonly mapType: string;
  readonly usable: boolean | null;
}

/** Verdicts stand one a line, so that nobody has to hold the document: neither does this test. */
async function verdictLines(args: readonly string[]): Promise<{ lines: Line[]; rules: string }> {
  const lines: Line[] = [];
  let rules = '';
  const { status, stderr } = await runCli(args, [], {
    onWrite: (text) => {
      rules ||= /"rules":"([^"]*)"/.exec(text)?.[1] ?? '';
      if (/^,?\n\{"provider"/.test(text)) {
        const { provider, client, distance, mapType, usable } = JSON.parse(text.replace(/^,?\n/, ''));
        lines.push({ provider, client, distance, mapType, usable });
      }
    },
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return { lines, rules };
}

describe('matrix --all --json equals what Linux 7.2.12 answered', () => {
  it('has cases of every vendor, with and without ACS redirection and IOMMU', () => {
    expect(goldenCases.length).toBeGreaterThanOrEqual(8);
  });

  it.each(goldenCases.map(({ name, functions, kinds }) => ({ name, functions, kinds })))(
    'case $name, $functions functions',
    async ({ name, functions, kinds }) => {
      const asked = kernelAnswers(name);
      const { lines, rules } = await verdictLines(['-m', golden(name), 'matrix', '--all', '--json']);
      expect(rules).toBe('linux-7.2');
      expect(lines).toHaveLength(functions ** 2);
      const counted: Record<string, number> = {};
      const wrong: string[] = [];
      for (const { provider, client, distance, mapType, usable } of lines) {
        const truth = asked.get(`${provider} ${client}`);
        counted[truth?.mapType ?? 'missing'] = (counted[truth?.mapType ?? 'missing'] ?? 0) + 1;
        const isRight =
          truth !== undefined &&
          truth.distance === distance &&
          (truth.mapType === '-' || truth.mapType === mapType) &&
          usable === truth.distance >= 0;
        if (!isRight) {
          wrong.push(
            `${provider} ${client}: kernel ${JSON.stringify(truth)}, printed ${distance} ${mapType} ${usable}`,
          );
        }
      }
      expect(wrong).toEqual([]);
      expect(counted).toEqual(kinds);
    },
  );
});
