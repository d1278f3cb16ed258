import { describe, expect, it } from 'vitest';
import { looksLikeLab, parseLab } from '../../../src/lab/index.ts';
import { recogniseText } from '../../../src/topology/index.ts';
import { examples } from './examples.ts';

describe('examples', () => {
  it('are a dozen', () => {
    expect(examples.length).toBeGreaterThanOrEqual(12);
  });

  it.each(examples)('%s says what it shows and what to try, and is a lab', (name, text) => {
    const [modeline, ...lines] = text.split('\n');
    expect(modeline).toBe('# yaml-language-server: $schema=../docs/lab-file.schema.json');
    const comment = lines.slice(
      0,
      lines.findIndex((line) => !line.startsWith('#')),
    );
    expect(comment.length).toBeGreaterThanOrEqual(3);
    expect(comment.length).toBeLessThanOrEqual(8);
    expect(comment.join('\n')).toContain(`examples/${name} `);
    expect(looksLikeLab(text)).toBe(true);
    const lab = parseLab(text, name);
    expect(lab.title).not.toBeNull();
    expect(lab.hostBridges.flatMap((bridge) => bridge.below).length).toBeGreaterThan(0);
  });

  it.each(examples)('%s uses names that it has in what to try', (name, text) => {
    const commands = [
      ...text.matchAll(/^# {3}peerlane (?:-m|lab) \S+ (?:check|copy|fix) ([^-\n]*?)(?: {2,}.*| --.*)?$/gm),
    ];
    const names = commands.flatMap((match) => match[1]!.trim().split(' '));
    const known = new Set(text.match(/[A-Za-z][A-Za-z0-9_-]*/g));
    expect(names.filter((each) => !known.has(each.replace(/vf\d+$/, '')))).toEqual([]);
    parseLab(text, name);
  });

  it.each(examples)('%s is not taken for other text', (_, text) => {
    // Once recognise.ts knows labs it will say so; it must never say lspci.
    expect(['unknown', 'lab']).toContain(recogniseText(text));
  });
});

describe('looksLikeLab', () => {
  it('finds the marker after comments, in any version', () => {
    expect(looksLikeLab('# a\n\n---\npeerlane: lab/2\n')).toBe(true);
    expect(looksLikeLab('"peerlane": "lab/1"')).toBe(true);
  });

  it('is not misled by text that speaks of it', () => {
    expect(looksLikeLab('see peerlane: lab/1')).toBe(false);
    expect(looksLikeLab('00:00.0 Host bridge: Intel')).toBe(false);
  });
});
