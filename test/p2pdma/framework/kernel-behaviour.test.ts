/** What changed in the framework from kernel to kernel, and what is not known (spec p2pdma.md). */
import { describe, expect, it } from 'vitest';
import { kernelBehaviour, rulesFor } from '../../../src/p2pdma/index.ts';

const of = (release: string) => kernelBehaviour(rulesFor(release));

describe('kernelBehaviour', () => {
  it('knows each change from the first release that was read with it', () => {
    expect(of('5.2.1').subsections).toBe(false);
    expect(of('5.3.1').subsections).toBe(true);
    expect(of('5.15.135').addsBusOffset).toBe(false);
    expect(of('5.16.10').addsBusOffset).toBe(true);
    expect(of('7.1.5').refusesUnmappableBars).toBe(false);
    expect(of('7.2.12').refusesUnmappableBars).toBe(true);
    expect(of('4.19').hasP2pdma).toBe(false);
  });

  it('names what is open between two releases and keeps the older behaviour', () => {
    const between = of('5.16.3');
    expect([between.addsBusOffset, between.open.includes('addsBusOffset')]).toEqual([false, true]);
    expect(of('5.16.10').open).not.toContain('addsBusOffset');
    expect(of('7.3.4').open).toEqual([]);
  });

  it('takes a series for the newest of it, and no release for the newest kernel', () => {
    expect(of('7.2').refusesUnmappableBars).toBe(true);
    expect(of('5.16').addsBusOffset).toBe(true);
    expect(of('').refusesUnmappableBars).toBe(true);
    expect(of('9.9.9').open).toEqual([]);
  });

  it('knows what stable series took from later kernels', () => {
    expect(of('5.10.198').nvmeWritesCmbmsc).toBe(true);
    expect(of('5.10.1').nvmeWritesCmbmsc).toBe(false);
    expect(of('6.6.129').nvmeChecksCmbAlignment).toBe(true);
    expect(of('6.6.1').nvmeChecksCmbAlignment).toBe(false);
    expect(of('6.7').nvmeChecksCmbAlignment).toBe(false);
  });
});
