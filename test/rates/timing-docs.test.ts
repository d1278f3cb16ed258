// docs/timing.md lists what the presets hold; the tables there are these lines.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  DEVICE_PRESETS,
  type DeviceTiming,
  MEDIA_PRESETS,
  type MediaTiming,
  PLATFORMS,
  type PlatformTiming,
} from '../../src/rates/index.ts';

const page = readFileSync(new URL('../../docs/timing.md', import.meta.url), 'utf8');

/** Thousandths are enough for a table. */
function figure(value: number | null): string {
  return value === null || value === Number.POSITIVE_INFINITY
    ? ''
    : String(Math.floor(value * 1000 + 0.5) / 1000);
}

function passes(share: number, capGBs: number): string {
  return share === 0 ? 'refused' : capGBs === Number.POSITIVE_INFINITY ? figure(share) : `${capGBs} GB/s`;
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`.replaceAll('|  |', '| |').replaceAll('|  |', '| |');
}

function platformLine(one: PlatformTiming): string {
  const { peers, memory, socket } = one;
  return line([
    `\`${one.name}\``,
    one.basis + (one.setBy.length > 0 ? ` ${one.setBy.join(' ')}` : ''),
    passes(peers.writeShare, peers.writeGBs),
    passes(peers.readShare, peers.readGBs),
    figure(peers.otherSocketShare),
    figure(peers.splitBytes),
    one.dllpModel,
    `${memory.channelsPerSocket} x ${memory.type}`,
    figure(memory.ddioBytes / (1024 * 1024)),
    figure(socket.linkGBs),
    figure(socket.peerGBs),
  ]);
}

function deviceLine(one: DeviceTiming): string {
  return line([
    `\`${one.name}\``,
    one.setBy.join(' '),
    figure(one.payloadBytes),
    figure(one.readRequestBytes),
    figure(one.tags),
    figure(one.transactionsPerSecond === null ? null : one.transactionsPerSecond / 1e6),
    figure(one.writeGBs),
    figure(one.readGBs),
    one.writeEfficiency === null && one.readEfficiency === null
      ? ''
      : `${figure(one.writeEfficiency)} / ${figure(one.readEfficiency)}`,
    figure(one.startNs),
    figure(one.memoryLatencyNs),
    figure(one.memoryReadGBs),
    figure(one.hostBothWaysShare),
  ]);
}

function mediaLine(one: MediaTiming): string {
  return line([
    `\`${one.name}\``,
    one.setBy.join(' '),
    figure(one.readGBs),
    figure(one.writeGBs),
    figure(one.readIops / 1000),
    figure(one.writeIops / 1000),
    figure(one.readLatencyNs / 1000),
    figure(one.writeLatencyNs / 1000),
    `${one.channels} x ${one.dies}`,
    figure(one.cacheBytes / (1024 * 1024)),
    figure(one.mixedPenalty),
  ]);
}

describe('docs/timing.md', () => {
  it.each([
    ['platform', PLATFORMS.map(platformLine)],
    ['device', DEVICE_PRESETS.map(deviceLine)],
    ['media', MEDIA_PRESETS.map(mediaLine)],
  ])('has the table of %s presets as they are', (_, lines) => {
    const expected = lines.join('\n');
    expect(page.includes(expected), `the table should read:\n${expected}`).toBe(true);
  });

  it('says how well it predicts and how to see it', () => {
    expect(page).toContain('\n## How well it predicts\n');
    expect(page).toContain('npm run validate');
  });
});
