import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { LINT_CODES, REASON_CODES } from '../../src/advice/index.ts';

const text = readFileSync(new URL('../../docs/verdict-codes.md', import.meta.url), 'utf8');
const rows = [...text.matchAll(/^\| `([A-Z_]+)` \| (\w+) \|/gm)].map(
  (match) => [match[1]!, match[2]!] as const,
);

describe('docs/verdict-codes.md', () => {
  it('explains exactly the codes that exist, each once, with its class or severity', () => {
    const documented = [...rows].sort();
    const existing = [...Object.entries(REASON_CODES), ...Object.entries(LINT_CODES)].sort();
    expect(documented).toEqual(existing);
  });
});
