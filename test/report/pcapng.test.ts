// Block by block, after draft-ietf-opsawg-pcapng; and the page about what is in them.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { LINK_DIRECTION, PcapngWriter, TlpCapture } from '../../src/report/index.ts';

interface Block {
  readonly type: number;
  readonly body: Buffer;
}

function blocks(chunks: readonly Uint8Array[]): Block[] {
  const file = Buffer.concat(chunks);
  const found: Block[] = [];
  for (let at = 0; at < file.length; ) {
    const length = file.readUInt32LE(at + 4);
    expect(length % 4).toBe(0);
    expect(file.readUInt32LE(at + length - 4)).toBe(length);
    found.push({ type: file.readUInt32LE(at), body: file.subarray(at + 8, at + length - 4) });
    at += length;
  }
  return found;
}

describe('a pcapng file', () => {
  it('is a section, interfaces with their resolution, and packets padded to words', () => {
    const chunks: Uint8Array[] = [];
    const writer = new PcapngWriter((bytes) => chunks.push(bytes), {
      application: 'peerlane',
      comment: 'why',
    });
    const first = writer.addInterface('a', 147);
    const second = writer.addInterface('bcde', 147);
    writer.packet(second, 2 ** 40 + 3, Uint8Array.of(1, 2, 3, 4, 5), 99);
    writer.packet(first, 0, new Uint8Array(0));
    writer.close();
    const [section, a, b, packet, empty, ...more] = blocks(chunks);
    expect(more).toEqual([]);
    expect(section!.type).toBe(0x0a0d0d0a);
    expect(section!.body.subarray(0, 16).toString('hex')).toBe('4d3c2b1a01000000ffffffffffffffff');
    expect(section!.body.subarray(16).toString('hex')).toBe(
      // opt_comment "why", shb_userappl "peerlane", opt_endofopt
      `01000300${'77687900'}04000800${Buffer.from('peerlane').toString('hex')}00000000`,
    );
    // LINKTYPE_USER0, no snap length, if_name, if_tsresol 12, end.
    expect(a!.body.toString('hex')).toBe('93000000000000000200010061000000090001000c00000000000000');
    expect(b!.body.toString('hex')).toBe('93000000000000000200040062636465090001000c00000000000000');
    expect(packet!.body.toString('hex')).toBe(
      '010000000001000003000000050000006300000001020304' + '05000000',
    );
    expect(empty!.body.length).toBe(20);
  });

  it('grows past every buffer and comes in pieces', () => {
    const chunks: Uint8Array[] = [];
    const writer = new PcapngWriter((bytes) => chunks.push(bytes), { application: 'peerlane' });
    const place = writer.addInterface('x'.repeat(100_000), 147);
    const payload = Uint8Array.from({ length: 200_000 }, (_, index) => index & 0xff);
    for (let index = 0; index < 5; index++) {
      writer.packet(place, index, payload.subarray(0, 50_000 * index));
    }
    writer.close();
    expect(chunks.length).toBeGreaterThan(3);
    const packets = blocks(chunks).filter(({ type }) => type === 6);
    expect(packets.map(({ body }) => body.readUInt32LE(12))).toEqual([0, 50_000, 100_000, 150_000, 200_000]);
    expect(Buffer.compare(packets[4]!.body.subarray(20), payload)).toBe(0);
  });

  it('has 32 bytes before each header', () => {
    const chunks: Uint8Array[] = [];
    const capture = new TlpCapture((bytes) => chunks.push(bytes), { application: 'peerlane' });
    const link = capture.addLink({
      domain: 1,
      portId: 0x0208,
      generation: 6,
      width: 16,
      isFlitMode: true,
      name: 'l',
    });
    capture.tlp(link, {
      direction: LINK_DIRECTION.DOWN,
      startPs: 0x1_0000_0002,
      endPs: 0x1_0000_0003,
      header: { type: 'MWr', requesterId: 0, lengthDw: 1 },
      isReplay: true,
      headerCredits: Number.POSITIVE_INFINITY,
    });
    capture.close();
    const packet = blocks(chunks).at(-1)!;
    expect(packet.body.readUInt32LE(0)).toBe(1);
    // Cut off behind the header: there are no real bytes.
    expect([packet.body.readUInt32LE(12), packet.body.readUInt32LE(16)]).toEqual([44, 48]);
    expect(packet.body.subarray(20, 52).toString('hex')).toBe(
      '01070610' + '00010208' + 'ffff0018' + '0000000100000002' + '0000000100000003' + 'fffffffe',
    );
  });
});

describe('docs/pcap.md', () => {
  const read = (path: string): string =>
    readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), 'utf8');

  it('names fields that the dissector has, and all of them', () => {
    const page = read('docs/pcap.md');
    const fields = [
      ...read('share/wireshark/peerlane-tlp.lua').matchAll(/ProtoField\.\w+\("(pltlp\.[a-z_.]+)"/g),
    ].map((match) => match[1]!);
    expect(fields.length).toBeGreaterThan(40);
    const named = new Set([...page.matchAll(/pltlp\.[a-z_]+(?:\.[a-z_]+)*/g)].map((match) => match[0]));
    expect([...named].filter((name) => !fields.includes(name))).toEqual([]);
    // Those that are parts of others, and of no use alone.
    const parts = ['pltlp.version', 'pltlp.fmt', 'pltlp.type_bits', 'pltlp.port_id'];
    const short = fields.filter(
      (name) => !named.has(name) && !page.includes(`\`.${name.split('.').at(-1)}\``),
    );
    expect(short.sort()).toEqual(parts.sort());
  });
});
