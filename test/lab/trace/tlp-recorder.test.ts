// A capture of a real copy from drive to drive as the installed tshark reads it.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { P2P_COPY, type Traced, traceLab } from './support.ts';

const DISSECTOR = fileURLToPath(new URL('../../../share/wireshark/peerlane-tlp.lua', import.meta.url));
const FIELDS = [
  'frame.number',
  'frame.interface_name',
  '_ws.malformed',
  '_ws.lua.error',
  '_ws.expert.message',
  'pltlp.type',
  'pltlp.direction',
  'pltlp.port',
  'pltlp.start_ps',
  'pltlp.end_ps',
  'pltlp.length',
  'pltlp.addr',
  'pltlp.requester',
  'pltlp.requester_id',
  'pltlp.completer_id',
  'pltlp.tag',
  'pltlp.byte_count',
  'pltlp.lower_addr',
  'pltlp.first_be',
  'pltlp.last_be',
  'pltlp.status',
  'pltlp.generation',
  'pltlp.width',
  'pltlp.request_in',
  'pltlp.time_ps',
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
  const directory = mkdtempSync(join(tmpdir(), 'peerlane-tlps-'));
  try {
    const path = join(directory, 'out.pcapng');
    writeFileSync(path, pcap);
    const text = execFileSync(
      'tshark',
      [
        '-X',
        `lua_script:${DISSECTOR}`,
        '-2',
        '-r',
        path,
        '-T',
        'fields',
        ...FIELDS.flatMap((field) => ['-e', field]),
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

function enabled(row: Row): number {
  const bits = (mask: number): number => [1, 2, 4, 8].filter((bit) => (mask & bit) !== 0).length;
  const words = Number(row['pltlp.length']) / 4;
  const first = bits(Number(row['pltlp.first_be']));
  return words === 1 ? first : first + 4 * (words - 2) + bits(Number(row['pltlp.last_be']));
}

const traced: Traced = await traceLab(P2P_COPY);

describe('the recorder of packets', () => {
  it('writes a frame for each packet of each link', () => {
    expect(traced.packets).toBeGreaterThan(1000);
    expect(traced.tlps!.packets).toBe(traced.packets);
  });
});

describe.runIf(hasTshark())('a capture of a copy from drive to drive', () => {
  const rows = dissect(traced.pcap);
  const { fabric } = traced.machine;

  it('is read without complaint', () => {
    expect(rows).toHaveLength(traced.tlps!.packets);
    for (const row of rows) {
      expect([row['_ws.malformed'], row['_ws.lua.error'], row['_ws.expert.message']]).toEqual(['', '', '']);
      expect(Number(row['pltlp.end_ps'])).toBeGreaterThanOrEqual(Number(row['pltlp.start_ps']));
      expect(row['pltlp.generation']).toBe('3');
    }
  });

  it('has in each direction of each link the bytes that the fabric counted', () => {
    const { linkBytes, controlBytes } = traced.traffic;
    let total = 0;
    for (const { port } of fabric.timing!.network.linkStages()) {
      for (const direction of ['0', '1']) {
        const bytes = rows
          .filter((row) => row['pltlp.port'] === port.bdf && row['pltlp.direction'] === direction)
          .reduce(
            (sum, row) =>
              sum +
              (row['pltlp.type'] === 'MWr'
                ? enabled(row)
                : row['pltlp.type'] === 'CplD'
                  ? Number(row['pltlp.length'])
                  : 0),
            0,
          );
        const way = direction === '0' ? 'upBytes' : 'downBytes';
        const counted = (linkBytes[port.bdf]?.[way] ?? 0) + (controlBytes.linkBytes[port.bdf]?.[way] ?? 0);
        const config = direction === '0' ? traced.configBytesUp(port) : 0;
        expect(bytes, `${port.bdf} ${way}`).toBe(counted - config);
        total += bytes;
      }
    }
    // Forty blocks, which the one drive reads out of the other's memory: a link each.
    expect(total).toBeGreaterThan(2 * 40 * 16_384);
  });

  it('completes every read on its link, to the byte, in the order of its addresses', () => {
    const open = new Map<
      string,
      { readonly at: number; readonly request: Row; next: number; left: number }
    >();
    let completed = 0;
    for (const row of rows) {
      const key = `${row['pltlp.port']} ${row['pltlp.requester_id']} ${row['pltlp.tag']}`;
      if (row['pltlp.type'] === 'MRd') {
        expect(open.has(key), `tag of ${key} used twice`).toBe(false);
        const addr = Number(row['pltlp.addr']);
        open.set(key, { at: Number(row['frame.number']), request: row, next: addr, left: enabled(row) });
      } else if (row['pltlp.type'] === 'CplD') {
        const read = open.get(key)!;
        expect(read, `completion of nothing: ${key}`).toBeDefined();
        expect(row['pltlp.status']).toBe('0');
        expect(row['pltlp.direction']).not.toBe(read.request['pltlp.direction']);
        expect(Number(row['pltlp.byte_count']) || 4096).toBe(read.left);
        expect(Number(row['pltlp.lower_addr'])).toBe(read.next % 128);
        expect(Number(row['pltlp.request_in'])).toBe(read.at);
        expect(Number(row['pltlp.time_ps'])).toBeGreaterThan(0);
        const bytes = Number(row['pltlp.length']);
        read.next += bytes;
        read.left -= bytes;
        if (read.left === 0) {
          open.delete(key);
          completed++;
        }
      }
    }
    expect(open.size).toBe(0);
    expect(completed).toBeGreaterThan(100);
  });

  it('says who asked whom', () => {
    const id = (name: string): number => traced.machine.member(name)!.fn.routingId;
    const peer = rows.filter(
      (row) =>
        row['pltlp.type'] === 'CplD' &&
        Number(row['pltlp.requester_id']) === id('nvme1') &&
        Number(row['pltlp.completer_id']) === id('nvme0'),
    );
    // Up from nvme0 and down to nvme1.
    expect(peer.reduce((sum, row) => sum + Number(row['pltlp.length']), 0)).toBe(2 * 40 * 16_384);
    // Doorbells are the processor's, interrupts the drives'.
    const isDoorbell = (row: Row): boolean =>
      row['pltlp.type'] === 'MWr' && row['pltlp.requester_id'] === '0x0000';
    expect(rows.filter(isDoorbell).length).toBeGreaterThan(0);
    const isInterrupt = (row: Row): boolean =>
      row['pltlp.type'] === 'MWr' &&
      Number(row['pltlp.addr']) >= 0xfee0_0000 &&
      Number(row['pltlp.addr']) < 0xfef0_0000;
    expect(rows.filter(isInterrupt).map((row) => Number(row['pltlp.requester_id']))).toContain(id('nvme1'));
  });
});
