// What ATS and ECRC look like in a capture: tshark shows who asked, with which address, and the digests.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { traceLab } from './support.ts';

const DISSECTOR = fileURLToPath(new URL('../../../share/wireshark/peerlane-tlp.lua', import.meta.url));
const FIELDS = [
  'type',
  'direction',
  'at',
  'addr',
  'length',
  'wire_bytes',
  'td',
  'ecrc',
  'status',
  'msg.code',
] as const;
type Row = Readonly<Record<(typeof FIELDS)[number], string>>;

function hasTshark(): boolean {
  try {
    execFileSync('tshark', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    console.log('skipped: no tshark here (apt-get install tshark)');
    return false;
  }
}

function dissect(pcap: Uint8Array): readonly Row[] {
  const directory = mkdtempSync(join(tmpdir(), 'peerlane-ats-'));
  try {
    const path = join(directory, 'out.pcapng');
    writeFileSync(path, pcap);
    const text = execFileSync(
      'tshark',
      [
        ...['-X', `lua_script:${DISSECTOR}`, '-r', path, '-T', 'fields'],
        ...FIELDS.flatMap((field) => ['-e', `pltlp.${field}`]),
      ],
      { encoding: 'utf8', maxBuffer: 2 ** 28, stdio: ['ignore', 'pipe', 'ignore'] },
    );
    return text
      .trimEnd()
      .split('\n')
      .map((line) => {
        const values = line.split('\t');
        return Object.fromEntries(FIELDS.map((field, index) => [field, values[index] ?? ''])) as Row;
      });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const lab = (top: string, write: string) => `
peerlane: lab/1
iommu: translated
memory: 1G
${top}
below: {gpu: gpu0, link: gen3 x8, max-payload: 256, ats: yes}
workload:
  warm-up: 0us
  streams: {${write}: gpu0, block: 4K, count: 8, depth: 1, area: 32K, pattern: sequential}
`;

describe.runIf(hasTshark())('a capture of a device with ATS', () => {
  it('has a translation request for each page, and writes with what came back', async () => {
    const rows = dissect((await traceLab(lab('', 'dma-write'))).pcap);
    const asks = rows.filter(({ type }) => type === 'MRd');
    expect(asks).toHaveLength(8);
    for (const row of asks) {
      expect(row).toMatchObject({ at: '1', direction: '0', length: '8', wire_bytes: '24' });
    }
    const answers = rows.filter(({ type }) => type === 'CplD');
    expect(answers.map((row) => [row.direction, row.length, row.wire_bytes, row.status])).toEqual(
      asks.map(() => ['1', '8', '28', '0']),
    );
    // A GPU makes packets of 128 bytes.
    const writes = rows.filter(({ type }) => type === 'MWr');
    expect(writes).toHaveLength(8 * 32);
    // I/O virtual addresses are asked for, memory below 1 GiB is written.
    expect(asks.every(({ addr }) => Number(addr) > 2 ** 30)).toBe(true);
    expect(writes.every(({ at, addr }) => at === '2' && Number(addr) < 2 ** 30)).toBe(true);
  });

  it('has a digest behind every packet where checksums are on', async () => {
    const rows = dissect((await traceLab(lab('ecrc: yes', 'dma-read'))).pcap);
    expect(rows.every(({ td }) => td === '1')).toBe(true);
    const requests = rows.filter(({ type }) => type === 'MRd');
    expect(requests.length).toBeGreaterThan(8);
    // Without payload the whole packet is there, and so is its digest.
    expect(requests.every(({ ecrc }) => /^[0-9a-f]{8}$/.test(ecrc))).toBe(true);
    expect(new Set(requests.map(({ at, wire_bytes }) => `${at} ${wire_bytes}`))).toEqual(
      new Set(['1 28', '2 24']),
    );
    const data = rows.filter(({ type, length }) => type === 'CplD' && Number(length) > 8);
    expect(data.every((row) => Number(row.wire_bytes) === Number(row.length) + 24)).toBe(true);
  });
});
