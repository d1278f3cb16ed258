/**
 * Headers of transaction layer packets as they are on the wire, most significant byte first. PCIe Base 6.0, section 2.2, non-flit
 * mode; what follows a header (payload) and what precedes it (prefixes, framing) is not made here. A link in flit mode carries the
 * same facts in another header (2.2.1.2); captures show them in this one.
 */

/** Fmt and Type, table 2-3. `fmt` is that of a header of three words; four-word addresses add 1. */
const LAYOUT = {
  MRd: { fmt: 0, type: 0x00, form: 'memory' },
  MWr: { fmt: 2, type: 0x00, form: 'memory' },
  CfgRd0: { fmt: 0, type: 0x04, form: 'config' },
  CfgWr0: { fmt: 2, type: 0x04, form: 'config' },
  CfgRd1: { fmt: 0, type: 0x05, form: 'config' },
  CfgWr1: { fmt: 2, type: 0x05, form: 'config' },
  Cpl: { fmt: 0, type: 0x0a, form: 'completion' },
  CplD: { fmt: 2, type: 0x0a, form: 'completion' },
  Msg: { fmt: 1, type: 0x10, form: 'message' },
  MsgD: { fmt: 3, type: 0x10, form: 'message' },
} as const;

export type TlpType = keyof typeof LAYOUT;

/** Names of all types that can be encoded. */
export const TLP_TYPE = Object.keys(LAYOUT) as readonly TlpType[];

/** Not every type has every field; what a type has not is ignored. Where nothing else is said, 0 is left out. */
export interface TlpFields {
  readonly type: TlpType;
  /** Routing ids: bus in bits 15:8, device and function below. Of a completion, who is answered. */
  readonly requesterId: number;
  /** 0 to 1023. */
  readonly tag?: number;
  /** Words of payload, or of what is read: 1 to 1024; 0 for packets without either. */
  readonly lengthDw: number;
  readonly trafficClass?: number;
  /** Bit 0 No Snoop, 1 Relaxed Ordering, 2 ID-based Ordering. */
  readonly attributes?: number;
  /** 0 untranslated, 1 translation request, 2 translated. */
  readonly addressType?: number;
  readonly isPoisoned?: boolean;
  /** A TLP Digest (ECRC) follows the payload. */
  readonly hasDigest?: boolean;
  /** Memory requests: any byte of the first word. Configuration requests: the register. */
  readonly addr?: number;
  /** Four bits each; default all bytes, none in the last word of a request of one. */
  readonly firstEnables?: number;
  readonly lastEnables?: number;
  /** Routing id: configuration requests, who is asked; completions, who answers. */
  readonly completerId?: number;
  /** 0 Successful Completion, 1 Unsupported Request, 2 Request Retry Status, 4 Completer Abort. */
  readonly completionStatus?: number;
  /** Of a completion: bytes that are left, those of this packet included, 1 to 4096. */
  readonly byteCount?: number;
  /** Of a completion: bits 6:0 of the address of its first byte. */
  readonly lowerAddr?: number;
  /** Messages: Message Code and how it is routed (0 root complex, 1 address, 2 id, 3 broadcast, 4 local, 5 gathered). */
  readonly messageCode?: number;
  readonly messageRouting?: number;
}

const TWO_32 = 0x1_0000_0000;

/** 12 or 16: memory requests from 4 GiB on, and messages, have four words. */
export function tlpHeaderBytes(fields: TlpFields): number {
  const { form } = LAYOUT[fields.type];
  return form === 'message' || (form === 'memory' && (fields.addr ?? 0) >= TWO_32) ? 16 : 12;
}

/**
 * Writes a header.
 * @param into  has room for 16 bytes from `at` on
 * @returns its length in bytes, 12 or 16
 */
export function encodeTlpHeader(fields: TlpFields, into: Uint8Array, at = 0): number {
  const layout = LAYOUT[fields.type];
  const bytes = tlpHeaderBytes(fields);
  const isLong = layout.form === 'memory' && bytes === 16;
  const routing = layout.form === 'message' ? (fields.messageRouting ?? 0) : 0;
  const tag = fields.tag ?? 0;
  const attributes = fields.attributes ?? 0;
  const length = fields.lengthDw & 0x3ff;
  into[at] = ((layout.fmt + (isLong ? 1 : 0)) << 5) | layout.type | routing;
  // The tag's upper bits stand where there was room left: T9 in bit 7, T8 in bit 3.
  into[at + 1] =
    (((tag >>> 9) & 1) << 7) |
    ((fields.trafficClass ?? 0) << 4) |
    (((tag >>> 8) & 1) << 3) |
    (((attributes >>> 2) & 1) << 2);
  into[at + 2] =
    ((fields.hasDigest === true ? 1 : 0) << 7) |
    ((fields.isPoisoned === true ? 1 : 0) << 6) |
    ((attributes & 3) << 4) |
    ((fields.addressType ?? 0) << 2) |
    (length >>> 8);
  into[at + 3] = length & 0xff;
  switch (layout.form) {
    case 'memory':
      requestWord(fields, into, at + 4);
      addressWords(fields.addr ?? 0, isLong, into, at + 8);
      break;
    case 'config':
      requestWord(fields, into, at + 4);
      word16(fields.completerId ?? 0, into, at + 8);
      // Extended Register Number in the low four bits, then Register Number in bits 7:2.
      into[at + 10] = ((fields.addr ?? 0) >>> 8) & 0xf;
      into[at + 11] = (fields.addr ?? 0) & 0xfc;
      break;
    case 'completion':
      word16(fields.completerId ?? 0, into, at + 4);
      into[at + 6] = ((fields.completionStatus ?? 0) << 5) | (((fields.byteCount ?? 4) >>> 8) & 0xf);
      into[at + 7] = (fields.byteCount ?? 4) & 0xff;
      word16(fields.requesterId, into, at + 8);
      into[at + 10] = tag & 0xff;
      into[at + 11] = (fields.lowerAddr ?? 0) & 0x7f;
      break;
    case 'message':
      word16(fields.requesterId, into, at + 4);
      into[at + 6] = tag & 0xff;
      into[at + 7] = fields.messageCode ?? 0;
      into.fill(0, at + 8, at + 16);
      break;
  }
  return bytes;
}

function requestWord(fields: TlpFields, into: Uint8Array, at: number): void {
  word16(fields.requesterId, into, at);
  into[at + 2] = (fields.tag ?? 0) & 0xff;
  const last = fields.lastEnables ?? (fields.lengthDw > 1 ? 0xf : 0);
  into[at + 3] = (last << 4) | (fields.firstEnables ?? 0xf);
}

function addressWords(addr: number, isLong: boolean, into: Uint8Array, at: number): void {
  const low = addr % TWO_32;
  if (isLong) {
    const high = Math.floor(addr / TWO_32);
    word16(high >>> 16, into, at);
    word16(high, into, at + 2);
  }
  const place = at + (isLong ? 4 : 0);
  word16(low >>> 16, into, place);
  into[place + 2] = (low >>> 8) & 0xff;
  into[place + 3] = low & 0xfc;
}

function word16(value: number, into: Uint8Array, at: number): void {
  into[at] = (value >>> 8) & 0xff;
  into[at + 1] = value & 0xff;
}
