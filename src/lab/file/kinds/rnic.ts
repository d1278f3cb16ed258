/** `rnic`: an RDMA NIC that speaks RoCE v2 over a wire to another one. */
import { endpointFields, fillEndpoint, printEndpoint, withBar } from '../endpoint-fields.ts';
import { flag, NOT_TAKEN, nameText, scalar } from '../field.ts';
import { endpointKind } from '../kind.ts';
import type { LabRnic } from '../lab-device.ts';
import type { LabBar } from '../lab-function.ts';
import { amount, duration, printAmount, printDuration, share } from '../quantity.ts';

type Gid = LabRnic['address'];

function readIpv4(text: string): number | typeof NOT_TAKEN {
  const parts = text.split('.').map((part) => (/^\d{1,3}$/.test(part) ? Number(part) : 256));
  return parts.length === 4 && parts.every((part) => part < 256)
    ? ((parts[0]! << 24) | (parts[1]! << 16) | (parts[2]! << 8) | parts[3]!) >>> 0
    : NOT_TAKEN;
}

/** Without a dotted part; `::` may stand once. RFC 4291, 2.2. */
function readIpv6(text: string): Gid | typeof NOT_TAKEN {
  const halves = text.split('::');
  const groups = halves.map((half) => (half === '' ? [] : half.split(':')));
  const count = groups.reduce((sum, one) => sum + one.length, 0);
  const isShort = halves.length === 2 && count < 8;
  if (!(isShort || (halves.length === 1 && count === 8))) {
    return NOT_TAKEN;
  }
  const all = [...groups[0]!, ...new Array<string>(8 - count).fill('0'), ...(groups[1] ?? [])];
  if (!all.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) {
    return NOT_TAKEN;
  }
  const words = all.map((group) => Number.parseInt(group, 16));
  const dword = (i: number): number => words[2 * i]! * 0x1_0000 + words[2 * i + 1]!;
  return [dword(0), dword(1), dword(2), dword(3)];
}

function ipAddress() {
  return scalar<Gid>(
    'IP address; write 10.0.0.1 or fd00::1',
    (text) => {
      if (text.includes(':')) {
        const gid = readIpv6(text);
        return gid !== NOT_TAKEN && gid.some((part) => part !== 0) ? gid : NOT_TAKEN;
      }
      const address = readIpv4(text);
      return address === NOT_TAKEN || address === 0 ? NOT_TAKEN : [0, 0, 0xffff, address];
    },
    { type: 'string', examples: ['10.0.0.1', 'fd00::1'] },
  );
}

function printIp(gid: Gid): string {
  if (gid[0] === 0 && gid[1] === 0 && gid[2] === 0xffff) {
    return [24, 16, 8, 0].map((shift) => (gid[3] >>> shift) & 0xff).join('.');
  }
  return gid.flatMap((part) => [(part >>> 16).toString(16), (part & 0xffff).toString(16)]).join(':');
}

const MAC_PATTERN = '^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$';

function macAddress() {
  return scalar(
    'MAC address of one station; write 02:00:00:00:00:01',
    (text) => {
      const high = Number.parseInt(text.slice(0, 5).replace(':', ''), 16);
      const low = Number.parseInt(text.slice(6).replaceAll(':', ''), 16);
      return new RegExp(MAC_PATTERN).test(text) && (high & 0x100) === 0 ? { high, low } : NOT_TAKEN;
    },
    { type: 'string', pattern: MAC_PATTERN, examples: ['02:00:00:00:00:01'] },
  );
}

function printMac({ high, low }: { readonly high: number; readonly low: number }): string {
  const digits = high.toString(16).padStart(4, '0') + low.toString(16).padStart(8, '0');
  return digits.match(/../g)!.join(':');
}

function rnicFields() {
  return {
    address: ipAddress().meta({ description: 'IP address of its port, IPv4 or IPv6.' }),
    mac: macAddress().optional().meta({ description: 'MAC address. Default: one made from its name.' }),
    wire: nameText().optional().meta({
      description: 'Name of the wire in its port; two NICs that name the same one are joined. Default: none.',
    }),
    rate: amount(1e6, 1e12)
      .prefault('100G')
      .meta({ description: 'What its port sends, in bits a second; 1M to 1000G.' }),
    delay: duration(0, 1e12).prefault('500ns').meta({
      description: 'From the last bit that it sends to the frame being there; 1 s at most.',
    }),
    loss: share(0, 0.9).prefault('0').meta({
      description: 'Share of the frames that it sends which never arrive, 0 to 0.9; by the seed of the lab.',
    }),
    ...endpointFields({
      id: '1234:4d4c',
      classCode: '020000',
      link: 'gen4 x16',
      vectors: 1,
      bars: {},
      barsText: 'BAR 0 (256 KiB of registers and doorbells, 64-bit) is there always.',
    }),
    // Verbs promise that messages to one place arrive in order, unless a region was registered for less.
    'relaxed-ordering': flag().prefault('no').meta({
      description: 'May set Relaxed Ordering: messages that write to one place may then overtake each other.',
    }),
  };
}

const REGISTERS: LabBar = {
  index: 0,
  kind: 'memory',
  is64Bit: true,
  isPrefetchable: false,
  sizeBytes: 0x4_0000,
  resizableBytes: null,
};

export const rnicKind = endpointKind<ReturnType<typeof rnicFields>, LabRnic>({
  kind: 'rnic',
  about: 'An RDMA NIC that works: verbs on one side, RoCE v2 on a wire to another one.',
  prefix: 'rnic',
  fields: rnicFields(),
  fill: (raw, place) => ({
    kind: 'rnic',
    ...fillEndpoint(
      { ...raw, bars: withBar(raw.bars, REGISTERS) },
      place,
      { generation: 4, width: 16 },
      raw.vectors ?? 1,
    ),
    address: raw.address,
    mac: raw.mac ?? null,
    wire: raw.wire ?? null,
    bitsPerSecond: raw.rate,
    delayPs: raw.delay,
    lossRate: raw.loss,
  }),
  print: (node) => ({
    address: printIp(node.address),
    ...(node.mac === null ? {} : { mac: printMac(node.mac) }),
    ...(node.wire === null ? {} : { wire: node.wire }),
    rate: printAmount(node.bitsPerSecond),
    delay: printDuration(node.delayPs),
    loss: String(node.lossRate),
    ...printEndpoint(node),
  }),
});
