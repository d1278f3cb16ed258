// Random machines that came up, as the installed lspci (pciutils, an independent program) reads their config space.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { enumerate } from '../../../src/fabric/firmware/index.ts';
import { factsFromConfig } from '../../../src/topology/config/index.ts';
import { formatHexDump } from '../../support/hex-dump.ts';
import { lspciVersion } from '../../support/lspci-output.ts';
import { buildRoot, FakeMachine, PLENTY, recipesArbitrary } from './fake-machine.ts';

const version = lspciVersion();
const hex = (value: number) => value.toString(16);

/** What lspci prints, by address. */
function print(dumps: readonly { address: string; bytes: Uint8Array }[]): Map<string, string> {
  const directory = mkdtempSync(join(tmpdir(), 'peerlane-firmware-'));
  try {
    writeFileSync(join(directory, 'dump.txt'), formatHexDump(dumps));
    const text = execFileSync('lspci', ['-F', join(directory, 'dump.txt'), '-vvv', '-D'], {
      encoding: 'utf8',
      maxBuffer: 64 << 20,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return new Map(
      text
        .trimEnd()
        .split('\n\n')
        .map((block) => [block.slice(0, 12), block]),
    );
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

describe.skipIf(version === null)(`a machine that came up, in lspci (${version})`, () => {
  it('has the buses, BARs and windows that firmware says', () => {
    let bars = 0;
    let windows = 0;
    for (const recipes of fc.sample(recipesArbitrary(30), { numRuns: 25, seed: 7 })) {
      const machine = new FakeMachine([PLENTY], [buildRoot(recipes)]);
      const { functions, assigned } = enumerate(machine);
      const spaces = functions.map(({ bdf, address }) => ({
        bdf,
        space: machine.find(address.domain, address.bus, address.device, address.function)!,
      }));
      const printed = print(spaces.map(({ bdf, space }) => ({ address: bdf, bytes: space.bytes })));
      for (const bar of assigned.filter(({ isVirtualFunctionBar }) => !isVirtualFunctionBar)) {
        const what = bar.kind === 'io' ? 'I/O ports' : 'Memory';
        const type = bar.kind === 'io' ? '' : `\\(${bar.is64Bit ? 64 : 32}-bit, `;
        expect(printed.get(bar.bdf)).toMatch(
          new RegExp(`Region ${bar.barIndex}: ${what} at 0*${hex(bar.address)} ${type}`),
        );
        bars++;
      }
      for (const { bdf, space } of spaces.filter(({ space }) => space.read(0x0e, 1) % 128 === 1)) {
        const [primary, secondary, subordinate] = [0x18, 0x19, 0x1a].map((offset) =>
          hex(space.read(offset, 1)).padStart(2, '0'),
        );
        const text = printed.get(bdf)!;
        expect(text).toContain(
          `Bus: primary=${primary}, secondary=${secondary}, subordinate=${subordinate},`,
        );
        for (const window of factsFromConfig(space.bytes, { isWhole: true }).windows ?? []) {
          const kind = { io: 'I/O', memory: 'Memory', prefetchable: 'Prefetchable memory' }[window.kind];
          expect(text).toMatch(
            new RegExp(`${kind} behind bridge: 0*${hex(window.first)}-0*${hex(window.last)} `),
          );
          windows++;
        }
      }
    }
    expect(bars).toBeGreaterThan(100);
    expect(windows).toBeGreaterThan(50);
  });
});
