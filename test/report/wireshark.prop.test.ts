// The installed tshark reads our captures with our dissector: every field is what was encoded, nothing is malformed.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import {
  type CapturedTlp,
  encodeTlpHeader,
  LINK_DIRECTION,
  LINKTYPE_USER0,
  PcapngWriter,
  TLP_TYPE,
  TlpCapture,
  type TlpFields,
  type TlpType,
} from '../../src/report/index.ts';

const DISSECTOR = fileURLToPath(new URL('../../share/wireshark/peerlane-tlp.lua', import.meta.url));

/** Version of the installed tshark, or null; says so when there is none. */
function tsharkVersion(): string | null {
  try {
    return execFileSync('tshark', ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
      .split('\n', 1)[0]!
      .trim();
  } catch {
    console.log('skipped: no tshark here (apt-get install tshark)');
    return null;
  }
}

const FIELDS = [
  'frame.number',
  'frame.cap_len',
  'frame.len',
  'frame.interface_name',
  '_ws.malformed',
  '_ws.lua.error',
  '_ws.expert.message',
  'pltlp.direction',
  'pltlp.replay',
  'pltlp.flit',
  'pltlp.generation',
  'pltlp.width',
  'pltlp.domain',
  'pltlp.port',
  'pltlp.seq',
  'pltlp.wire_bytes',
  'pltlp.start_ps',
  'pltlp.end_ps',
  'pltlp.credits.header',
  'pltlp.credits.data',
  'pltlp.type',
  'pltlp.tc',
  'pltlp.attr',
  'pltlp.ep',
  'pltlp.at',
  'pltlp.length_dw',
  'pltlp.length',
  'pltlp.requester',
  'pltlp.requester_id',
  'pltlp.completer_id',
  'pltlp.tag',
  'pltlp.first_be',
  'pltlp.last_be',
  'pltlp.addr',
  'pltlp.register',
  'pltlp.status',
  'pltlp.byte_count',
  'pltlp.lower_addr',
  'pltlp.msg.code',
  'pltlp.msg.routing',
  'pltlp.payload',
  'pltlp.td',
  'pltlp.ecrc',
  'pltlp.request_in',
  'pltlp.response_in',
  'pltlp.time_ps',
] as const;
type Row = Readonly<Record<(typeof FIELDS)[number], string>>;

const folder = mkdtempSync(join(tmpdir(), 'peerlane-tshark-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function dissect(bytes: readonly Uint8Array[]): Row[] {
  const file = join(folder, 'capture.pcapng');
  writeFileSync(file, Buffer.concat(bytes));
  const text = execFileSync(
    'tshark',
    [
      ...['-X', `lua_script:${DISSECTOR}`, '-n', '-2', '-r', file, '-T', 'fields', '-E', 'separator=|'],
      ...['-E', 'occurrence=a', '-E', 'aggregator=;', ...FIELDS.flatMap((field) => ['-e', field])],
    ],
    { encoding: 'utf8', maxBuffer: 64 << 20, stdio: ['ignore', 'pipe', 'ignore'] },
  );
  return text
    .trimEnd()
    .split('\n')
    .map((line) => {
      const cells = line.split('|');
      return Object.fromEntries(FIELDS.map((field, index) => [field, cells[index] ?? ''])) as Row;
    });
}

const routingId = fc.integer({ min: 0, max: 0xffff });
const nibble = fc.integer({ min: 0, max: 15 });

const header: fc.Arbitrary<Required<TlpFields>> = fc.record({
  type: fc.constantFrom(...TLP_TYPE),
  requesterId: routingId,
  tag: fc.integer({ min: 0, max: 1023 }),
  lengthDw: fc.oneof(fc.integer({ min: 1, max: 1024 }), fc.constant(1024)),
  trafficClass: fc.integer({ min: 0, max: 7 }),
  attributes: fc.integer({ min: 0, max: 7 }),
  addressType: fc.integer({ min: 0, max: 2 }),
  isPoisoned: fc.boolean(),
  hasDigest: fc.boolean(),
  addr: fc.oneof(fc.integer({ min: 0, max: 0xffff_ffff }), fc.maxSafeInteger().map(Math.abs)),
  firstEnables: nibble,
  lastEnables: nibble,
  completerId: routingId,
  completionStatus: fc.constantFrom(0, 1, 2, 4),
  byteCount: fc.integer({ min: 1, max: 4096 }),
  lowerAddr: fc.integer({ min: 0, max: 127 }),
  messageCode: fc.integer({ min: 0, max: 255 }),
  messageRouting: fc.integer({ min: 0, max: 5 }),
});

const packet = fc.record({
  direction: fc.constantFrom(LINK_DIRECTION.UP, LINK_DIRECTION.DOWN),
  startPs: fc.integer({ min: 0, max: 2 ** 52 }),
  durationPs: fc.integer({ min: 0, max: 10_000_000 }),
  header,
  hasPayload: fc.boolean(),
  sequence: fc.integer({ min: 0, max: 4095 }),
  isReplay: fc.boolean(),
  headerCredits: fc.integer({ min: 0, max: 4095 }),
  dataCredits: fc.oneof(fc.integer({ min: 0, max: 4095 }), fc.constant(Number.POSITIVE_INFINITY)),
});

const hex = (value: number, digits: number): string => `0x${value.toString(16).padStart(digits, '0')}`;
const flag = (value: boolean): string => (value ? '1' : '0');
const bdf = (id: number): string =>
  `${(id >> 8).toString(16).padStart(2, '0')}:${((id >> 3) & 31).toString(16).padStart(2, '0')}.${id & 7}`;
const carries = (type: TlpType): boolean => /^(?:MWr|CplD|CfgWr|MsgD)/.test(type);

/** What a type has of the fields; the others must be absent. */
function expectedFields(fields: Required<TlpFields>): Partial<Row> {
  const { type } = fields;
  const isMemory = /^M(?:Wr|Rd)$/.test(type);
  const isConfig = type.startsWith('Cfg');
  const isCompletion = type.startsWith('Cpl');
  const isMessage = type.startsWith('Msg');
  return {
    'pltlp.type': type,
    'pltlp.tc': String(fields.trafficClass),
    'pltlp.attr': hex(fields.attributes, 2),
    'pltlp.ep': flag(fields.isPoisoned),
    'pltlp.td': flag(fields.hasDigest),
    'pltlp.at': String(fields.addressType),
    'pltlp.length_dw': String(fields.lengthDw),
    'pltlp.length': String(fields.lengthDw * 4),
    'pltlp.requester': bdf(fields.requesterId),
    'pltlp.requester_id': hex(fields.requesterId, 4),
    'pltlp.completer_id': isConfig || isCompletion ? hex(fields.completerId, 4) : '',
    'pltlp.tag': String(fields.tag),
    'pltlp.first_be': isMemory || isConfig ? hex(fields.firstEnables, 2) : '',
    'pltlp.last_be': isMemory || isConfig ? hex(fields.lastEnables, 2) : '',
    'pltlp.addr': isMemory ? hex(fields.addr - (fields.addr % 4), 16) : '',
    'pltlp.register': isConfig ? hex((fields.addr % 4096) & ~3, 4) : '',
    'pltlp.status': isCompletion ? String(fields.completionStatus) : '',
    'pltlp.byte_count': isCompletion ? String(fields.byteCount) : '',
    'pltlp.lower_addr': isCompletion ? hex(fields.lowerAddr, 2) : '',
    'pltlp.msg.code': isMessage ? hex(fields.messageCode, 2) : '',
    'pltlp.msg.routing': isMessage ? String(fields.messageRouting) : '',
  };
}

/** TLP Digest by another implementation of the same polynomial: bits that may change count as 1. 2.7.1. */
function digestOf(fields: TlpFields, payload: Uint8Array): string {
  const bytes = new Uint8Array(16);
  const length = encodeTlpHeader(fields, bytes);
  bytes[0]! |= 1;
  bytes[2]! |= 0x40;
  const crc = Buffer.alloc(4);
  crc.writeUInt32LE(crc32(Buffer.concat([bytes.subarray(0, length), payload])));
  return crc.toString('hex');
}

/** Cpl and Msg without data count nothing. */
function sane(fields: Required<TlpFields>): Required<TlpFields> {
  return fields.type === 'Cpl' || fields.type === 'Msg' ? { ...fields, lengthDw: 0 } : fields;
}

const version = tsharkVersion();

describe.skipIf(version === null)(`captures in ${version ?? 'tshark'}`, () => {
  it('has every field of every packet as it was encoded', () => {
    fc.assert(
      fc.property(fc.array(packet, { minLength: 400, maxLength: 400 }), (packets) => {
        const chunks: Uint8Array[] = [];
        const capture = new TlpCapture((bytes) => chunks.push(bytes), { application: 'peerlane test' });
        const links = [
          { domain: 0, portId: 0x0008, generation: 4, width: 16, name: '0000:00:01.0' },
          { domain: 0x10, portId: 0xff1f, generation: 6, width: 4, isFlitMode: true, name: '0010:ff:03.7' },
        ];
        for (const link of links) {
          capture.addLink(link);
        }
        const written = packets.map((each, index) => {
          const fields = sane(each.header);
          const payload = Uint8Array.from(
            { length: fields.lengthDw * 4 },
            (_, at) => (at * 7 + index) & 0xff,
          );
          const tlp: CapturedTlp = {
            ...each,
            header: fields,
            endPs: each.startPs + each.durationPs,
            ...(each.hasPayload ? { payload } : {}),
          };
          capture.tlp(index % 2, tlp);
          return { each, fields, payload };
        });
        capture.close();
        const rows = dissect(chunks);
        expect(rows.length).toBe(packets.length);
        for (const [index, { each, fields, payload }] of written.entries()) {
          const row = rows[index]!;
          const link = links[index % 2]!;
          const headerBytes =
            fields.type.startsWith('Msg') || (/^M(?:Wr|Rd)$/.test(fields.type) && fields.addr >= 2 ** 32)
              ? 16
              : 12;
          const data = carries(fields.type) ? fields.lengthDw * 4 : 0;
          const digest = fields.hasDigest ? 4 : 0;
          const isWhole = each.hasPayload || data === 0;
          expect(row).toMatchObject({
            ...expectedFields(fields),
            'frame.number': String(index + 1),
            'frame.len': String(32 + headerBytes + data + digest),
            'frame.cap_len': String(32 + headerBytes + (isWhole ? data + digest : 0)),
            'frame.interface_name': `${link.name} ${each.direction === LINK_DIRECTION.UP ? 'up' : 'down'}`,
            '_ws.malformed': '',
            '_ws.lua.error': '',
            'pltlp.direction': String(each.direction),
            'pltlp.replay': flag(each.isReplay),
            'pltlp.flit': flag(link.isFlitMode === true),
            'pltlp.generation': String(link.generation),
            'pltlp.width': String(link.width),
            'pltlp.port': link.name,
            'pltlp.seq': String(each.sequence),
            'pltlp.wire_bytes': String(headerBytes + data + digest + 8),
            'pltlp.start_ps': String(each.startPs),
            'pltlp.end_ps': String(each.startPs + each.durationPs),
            'pltlp.credits.header': String(each.headerCredits),
            'pltlp.credits.data': Number.isFinite(each.dataCredits) ? String(each.dataCredits) : '',
            'pltlp.payload':
              each.hasPayload && data > 0 ? Buffer.from(payload.subarray(0, data)).toString('hex') : '',
            'pltlp.ecrc': isWhole && fields.hasDigest ? digestOf(fields, payload.subarray(0, data)) : '',
          });
        }
      }),
      // A run of tshark for every step of a shrink would take minutes; the row that differs is told as it is.
      { numRuns: 2, endOnFailure: true },
    );
  });

  it('takes any bytes without an error of the dissector', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 64 }),
      // Our version, and anything behind it.
      fc.uint8Array({ minLength: 1, maxLength: 80 }).map((each) => Uint8Array.of(1, ...each.subarray(1))),
      // Any header behind 32 bytes of sense.
      fc
        .uint8Array({ minLength: 12, maxLength: 48 })
        .map((each) => Uint8Array.of(1, ...new Array(31).fill(0), ...each)),
    );
    fc.assert(
      fc.property(fc.array(bytes, { minLength: 500, maxLength: 500 }), (frames) => {
        const chunks: Uint8Array[] = [];
        const writer = new PcapngWriter((each) => chunks.push(each), { application: 'peerlane test' });
        const place = writer.addInterface('any', LINKTYPE_USER0);
        for (const frame of frames) {
          writer.packet(place, 0, frame);
        }
        writer.close();
        const rows = dissect(chunks);
        expect(rows).toHaveLength(frames.length);
        for (const [index, row] of rows.entries()) {
          expect(row['_ws.lua.error'], Buffer.from(frames[index]!).toString('hex')).toBe('');
          expect(row['_ws.expert.message']).not.toMatch(/Lua|script/);
        }
      }),
      { numRuns: 1, endOnFailure: true },
    );
  });

  it('shows times to the picosecond', () => {
    const chunks: Uint8Array[] = [];
    const capture = new TlpCapture((bytes) => chunks.push(bytes), { application: 'peerlane test' });
    const link = capture.addLink({ domain: 0, portId: 8, generation: 3, width: 8, name: '0000:00:01.0' });
    capture.tlp(link, {
      direction: LINK_DIRECTION.UP,
      startPs: 3_000_000_000_007,
      endPs: 3_000_000_000_042,
      header: { type: 'MWr', requesterId: 0x100, lengthDw: 1 },
    });
    capture.close();
    const file = join(folder, 'time.pcapng');
    writeFileSync(file, Buffer.concat(chunks));
    const read = (...args: string[]): string =>
      execFileSync('tshark', ['-n', '-r', file, ...args], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      }).trim();
    // Seconds and picoseconds as they stand in the file; frame.time_epoch itself has nanoseconds at best.
    expect(read('-T', 'fields', '-e', 'frame.time_epoch')).toBe('3.000000000');
    expect(
      read('-X', `lua_script:${DISSECTOR}`, '-T', 'fields', '-e', 'pltlp.start_ps', '-e', 'pltlp.end_ps'),
    ).toBe('3000000000007\t3000000000042');
  });

  it('joins requests and completions, each link for itself', () => {
    const chunks: Uint8Array[] = [];
    const capture = new TlpCapture((bytes) => chunks.push(bytes), { application: 'peerlane test' });
    const links = [8, 16].map((portId) =>
      capture.addLink({ domain: 0, portId, generation: 4, width: 4, name: bdf(portId) }),
    );
    let now = 1000;
    const send = (link: number, direction: 0 | 1, fields: TlpFields): void => {
      capture.tlp(links[link]!, { direction, startPs: now, endPs: now + 10, header: fields });
      now += 100;
    };
    const read: TlpFields = { type: 'MRd', requesterId: 0x300, tag: 700, lengthDw: 64, addr: 0x1_0000_0000 };
    const data = (byteCount: number): TlpFields => ({
      type: 'CplD',
      requesterId: 0x300,
      completerId: 0x400,
      tag: 700,
      lengthDw: 32,
      byteCount,
    });
    send(0, 0, read); // 1
    send(1, 1, read); // 2
    send(1, 0, data(256)); // 3
    send(0, 1, data(256)); // 4
    send(1, 0, data(128)); // 5, the last on this link
    send(0, 1, data(128)); // 6
    send(0, 0, read); // 7, the tag again
    send(0, 1, { ...data(256), type: 'Cpl', lengthDw: 0, completionStatus: 1 }); // 8
    send(0, 1, data(128)); // 9, nobody asked
    capture.close();
    const rows = dissect(chunks);
    expect(rows.map((row) => [row['pltlp.request_in'], row['pltlp.response_in']])).toEqual([
      ['', '6'],
      ['', '5'],
      ['2', ''],
      ['1', ''],
      ['2', ''],
      ['1', ''],
      ['', '8'],
      ['7', ''],
      ['', ''],
    ]);
    // From the first symbol of the request to the last of the completion.
    expect(rows[4]!['pltlp.time_ps']).toBe('310');
    expect(rows[7]!['_ws.expert.message']).toContain('Completion with an error');
    expect(rows[8]!['_ws.expert.message']).toContain('without a request');
  });

  it('finds packets by the filters of the documentation', () => {
    const chunks: Uint8Array[] = [];
    const capture = new TlpCapture((bytes) => chunks.push(bytes), { application: 'peerlane test' });
    const link = capture.addLink({ domain: 0, portId: 8, generation: 4, width: 4, name: 'a' });
    for (let lengthDw = 1; lengthDw <= 64; lengthDw *= 2) {
      for (const type of ['MWr', 'MRd'] as const) {
        capture.tlp(link, {
          direction: LINK_DIRECTION.UP,
          startPs: 0,
          endPs: 1,
          header: { type, requesterId: 0x308, tag: lengthDw, lengthDw, addr: lengthDw * 0x1_0000_0000 },
        });
      }
    }
    capture.close();
    const file = join(folder, 'filter.pcapng');
    writeFileSync(file, Buffer.concat(chunks));
    const matches = (filter: string): number =>
      execFileSync('tshark', ['-X', `lua_script:${DISSECTOR}`, '-n', '-r', file, '-Y', filter], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      })
        .split('\n')
        .filter((line) => line !== '').length;
    expect(matches('pltlp.type == "MRd" && pltlp.length > 64')).toBe(2);
    expect(matches('pltlp.requester == "03:01.0"')).toBe(14);
    expect(matches('pltlp.addr >= 0x2000000000 && pltlp.addr < 0x4100000000')).toBe(4);
    expect(matches('pltlp.tag == 8')).toBe(2);
    expect(matches('_ws.malformed')).toBe(0);
  });
});
