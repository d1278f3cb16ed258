import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { decodeTrace } from '../lab/trace/decode-trace.ts';
import { P2P_COPY } from '../lab/trace/support.ts';
import { runCli } from './run-cli.ts';

const directory = mkdtempSync(join(tmpdir(), 'peerlane-trace-'));
const lab = join(directory, 'lab.yaml');
writeFileSync(lab, P2P_COPY);

afterAll(() => rmSync(directory, { recursive: true, force: true }));

function at(name: string): string {
  return join(directory, name);
}

describe('--trace and --pcap', () => {
  it('write the workload of a lab as a trace and a capture', async () => {
    const { status, stderr } = await runCli([
      'lab',
      lab,
      'bench',
      '--engine',
      'tlp',
      '--trace',
      at('a.perfetto'),
      '--pcap',
      at('a.pcapng'),
    ]);
    expect(stderr).toMatch(/a\.perfetto: trace of .*\n.*a\.pcapng: capture of /);
    expect(status).toBe(0);
    const trace = decodeTrace(readFileSync(at('a.perfetto')));
    expect(
      trace.slices.filter(({ track }) => track.endsWith('commands in execution')).length,
    ).toBeGreaterThanOrEqual(80);
    expect(readFileSync(at('a.pcapng')).readUInt32LE(0)).toBe(0x0a0d0d0a);
  });

  it('do not replace a file unless told to', async () => {
    writeFileSync(at('b.perfetto'), 'mine');
    const refused = await runCli(['lab', lab, 'bench', '--trace', at('b.perfetto')]);
    expect(refused.status).toBe(2);
    expect(refused.stderr).toContain('[USAGE_FILE_EXISTS]');
    expect(readFileSync(at('b.perfetto'), 'utf8')).toBe('mine');
    const forced = await runCli(['lab', lab, 'bench', '--trace', at('b.perfetto'), '--force']);
    expect(forced.status).toBe(0);
    expect(statSync(at('b.perfetto')).size).toBeGreaterThan(1000);
  });

  it('refuse packets of a run in flows, and leave no file', async () => {
    const { status, stderr } = await runCli([
      'lab',
      lab,
      'bench',
      '--engine',
      'flow',
      '--pcap',
      at('c.pcapng'),
    ]);
    expect(status).toBe(2);
    expect(stderr).toContain('[USAGE_PCAP_ENGINE]');
    expect(stderr).toContain('--engine tlp');
    expect(readdirSync(directory).filter((name) => name.startsWith('c.'))).toEqual([]);
  });

  it('trace a copy, and say where they stopped', async () => {
    const { status, stderr } = await runCli([
      'lab',
      lab,
      'copy',
      'nvme0',
      'nvme1',
      '--size',
      '2M',
      '--chunk',
      '32K',
      '--engine',
      'tlp',
      '--yes',
      '--trace',
      at('d.perfetto'),
      '--trace-limit',
      '1M',
    ]);
    expect(stderr).toMatch(
      /d\.perfetto: the trace ends at [\d.]+ ms of [\d.]+ ms, at its limit of 1 MiB; --trace-limit/,
    );
    expect(status).toBe(0);
    expect(statSync(at('d.perfetto')).size).toBeLessThanOrEqual(2 ** 20);
    expect(decodeTrace(readFileSync(at('d.perfetto'))).overlaps).toBe(0);
  });

  it('need time, and a lab', async () => {
    const untimed = await runCli([
      'lab',
      lab,
      'copy',
      'nvme0',
      'nvme1',
      '--untimed',
      '--trace',
      at('e.perfetto'),
    ]);
    expect(untimed.stderr).toContain('[USAGE_ENGINE]');
    const small = await runCli(['lab', lab, 'bench', '--trace', at('e.perfetto'), '--trace-limit', '4k']);
    expect(small.stderr).toContain('[USAGE_SIZE]');
    expect(readdirSync(directory).filter((name) => name.startsWith('e.'))).toEqual([]);
  });
});
