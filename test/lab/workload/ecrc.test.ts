// End-to-end checksums in labs: who switches them on, and what they cost. PCIe Base 6.0, 2.7.1 and 7.8.4.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { noTurn } from '../../../src/fabric/index.ts';
import { LabMachine, parseLab } from '../../../src/lab/index.ts';
import { netGBs, writeGoodputGBs } from '../../../src/rates/index.ts';
import { ADVANCED_ERROR_CAPABILITIES_AND_CONTROL, EXTENDED_ID } from '../../../src/spec/index.ts';
import { runLab } from './support/run-lab.ts';

function lab(top: string, stream: string, payload = 256): string {
  return `
peerlane: lab/1
cpu: intel
${top}
below:
  - switch: sw0
    link: gen3 x8
    max-payload: ${payload}
    below:
      - {gpu: gpu0, link: gen3 x8, max-payload: ${payload}, bars: {0: 16M}, timing: {preset: generic}}
      - {memory: mem0, link: gen3 x8, max-payload: ${payload}, bars: {0: 16M}}
workload:
  duration: 200us
  warm-up: 50us
  streams: ${stream}
`;
}

const WRITES = '{dma-write: gpu0, to: mem0, block: 4K, depth: 32, area: 1M}';
const READS = '{dma-read: gpu0, from: mem0, block: 4K, depth: 32, area: 1M}';

/** Functions that make and check checksums. */
function enabled(top: string): readonly [generating: number, checking: number, all: number] {
  const machine = LabMachine.boot(parseLab(lab(top, WRITES), 'test.yaml'), {
    label: 'test.yaml',
    turn: noTurn,
  });
  const { offset, ECRC_Generation_Enable, ECRC_Check_Enable } = ADVANCED_ERROR_CAPABILITIES_AND_CONTROL;
  const words = machine.platform.functions.flatMap(({ config }) => {
    const at = config.findExtendedCapability(EXTENDED_ID.ADVANCED_ERROR_REPORTING);
    return at === 0 ? [] : [config.read32(at + offset)];
  });
  return [
    words.filter((word) => ECRC_Generation_Enable.of(word) === 1).length,
    words.filter((word) => ECRC_Check_Enable.of(word) === 1).length,
    words.length,
  ];
}

describe('ECRC', () => {
  it.each([
    ['', false],
    ['ecrc: yes', true],
    ['command-line: pci=ecrc=on', false],
    ['{kernel: {config: {CONFIG_PCIE_ECRC: y}}, command-line: pci=ecrc=on}', true],
    ['{ecrc: yes, kernel: {config: {CONFIG_PCIE_ECRC: y}}, command-line: pci=noats,ecrc=off}', false],
    ['{ecrc: yes, kernel: {config: {CONFIG_PCIE_ECRC: y}}, command-line: pci=ecrc=bios}', true],
  ])('with `%s` is on in every function with AER: %s', (top, isOn) => {
    const lines = top.startsWith('{') ? blockLines(top) : top;
    const [generating, checking, all] = enabled(lines);
    expect(all).toBeGreaterThan(4);
    expect([generating, checking]).toEqual(isOn ? [all, all] : [0, 0]);
  });

  it.each(['tlp', 'flow'] as const)('makes every packet 4 bytes longer (%s)', async (engine) => {
    const speed = { speedGTs: 8, width: 8 };
    const [without, withEcrc] = [
      await runLab(lab('', WRITES), engine),
      await runLab(lab('ecrc: yes', WRITES), engine),
    ];
    // W1 and W2 of the timing model.
    expect(without.goodputGBs / writeGoodputGBs(speed, 256)).toBeCloseTo(1, 2);
    expect(withEcrc.goodputGBs / writeGoodputGBs(speed, 256, { ecrc: true })).toBeCloseTo(1, 2);
    const reads = await runLab(lab('ecrc: yes', READS), engine);
    expect(reads.goodputGBs / ((netGBs(speed) * 256) / (256 + 24))).toBeCloseTo(1, 2);
  });

  it('never makes anything faster', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(128, 256, 512),
        fc.constantFrom(WRITES, READS),
        fc.constantFrom('64', '512', '4K'),
        async (payload, stream, block) => {
          const text = (top: string) => lab(top, stream.replace('4K', block), payload);
          const [without, withEcrc] = [await runLab(text('')), await runLab(text('ecrc: yes'))];
          expect(withEcrc.goodputGBs).toBeLessThanOrEqual(without.goodputGBs);
        },
      ),
      { numRuns: 6 },
    );
  });
});

/** `{a: b, c: d}` as lines of a block. */
function blockLines(text: string): string {
  return text
    .slice(1, -1)
    .replace(/, (?=kernel|command-line)/g, '\n')
    .trim();
}
