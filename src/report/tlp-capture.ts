/**
 * Transaction layer packets of the links of a machine as a capture file. Each direction of a link is an interface; each packet is
 * preceded by 32 bytes that say what is not in its header: docs/pcap.md has them byte by byte.
 */
import { LINKTYPE_USER0, type PcapngOptions, PcapngWriter } from './pcapng.ts';
import { encodeTlpHeader, type TlpFields } from './tlp-bytes.ts';
import { DIGEST_BYTES, putTlpDigest } from './tlp-ecrc.ts';

/** Up is towards the root complex. */
export const LINK_DIRECTION = { UP: 0, DOWN: 1 } as const;
export type LinkDirection = (typeof LINK_DIRECTION)[keyof typeof LINK_DIRECTION];

export const DLL_SEQUENCE_UNKNOWN = 0xffff;

const PSEUDO_VERSION = 1;
const PSEUDO_BYTES = 32;
const HEADER_MAX_BYTES = 16;
const PAYLOAD_MAX_BYTES = 4096;
const FLAG_DOWN = 1;
const FLAG_REPLAY = 2;
const FLAG_FLIT = 4;
const CREDITS_INFINITE = 0xffff;
const CREDITS_UNKNOWN = 0xfffe;
const TWO_32 = 0x1_0000_0000;

export interface LinkDescription {
  /** PCI domain and routing id of the port above the link. */
  readonly domain: number;
  readonly portId: number;
  /** 1 to 6; 0: not known. */
  readonly generation: number;
  /** Lanes; 0: not known. */
  readonly width: number;
  readonly isFlitMode?: boolean;
  /** Of the interfaces, ` up` and ` down` are added: `0000:00:01.0`. */
  readonly name: string;
}

export interface CapturedTlp {
  readonly direction: LinkDirection;
  /** First and last symbol at the sender's pins. */
  readonly startPs: number;
  readonly endPs: number;
  readonly header: TlpFields;
  /** Present where bytes are real. Without it a packet with payload is cut off behind its header, as captures may be. */
  readonly payload?: Uint8Array;
  /** Sequence Number of the data link layer, 0 to 4095. */
  readonly sequence?: number;
  /** It was sent before. */
  readonly isReplay?: boolean;
  /** Header and data credits of its class that the sender has left, this packet taken off. Infinity: not limited. */
  readonly headerCredits?: number;
  readonly dataCredits?: number;
  /** Bytes on the wire with framing, sequence number and checksums; default as without flits: 8 besides the packet. */
  readonly wireBytes?: number;
}

const HAS_PAYLOAD = /^(?:MWr|CplD|CfgWr[01]|MsgD)$/;

export class TlpCapture {
  readonly #writer: PcapngWriter;
  readonly #links: { readonly link: LinkDescription; readonly up: number; readonly down: number }[] = [];
  readonly #bytes = new Uint8Array(PSEUDO_BYTES + HEADER_MAX_BYTES + PAYLOAD_MAX_BYTES + DIGEST_BYTES);
  readonly #view = new DataView(this.#bytes.buffer);

  /** @param write  takes pieces of the file in their order, and owns them */
  constructor(write: (bytes: Uint8Array) => void, options: Omit<PcapngOptions, 'resolutionDigits'>) {
    this.#writer = new PcapngWriter(write, { ...options, resolutionDigits: 12 });
  }

  /** @returns the link's number for `tlp` */
  addLink(link: LinkDescription): number {
    const up = this.#writer.addInterface(`${link.name} up`, LINKTYPE_USER0);
    const down = this.#writer.addInterface(`${link.name} down`, LINKTYPE_USER0);
    this.#links.push({ link, up, down });
    return this.#links.length - 1;
  }

  /** Packets are best written in the order of their starts; Wireshark can sort, but shows them as they come. */
  tlp(linkNumber: number, packet: CapturedTlp): void {
    const { link, up, down } = this.#links[linkNumber]!;
    const headerBytes = encodeTlpHeader(packet.header, this.#bytes, PSEUDO_BYTES);
    const payloadBytes = HAS_PAYLOAD.test(packet.header.type) ? packet.header.lengthDw * 4 : 0;
    const digestBytes = packet.header.hasDigest === true ? DIGEST_BYTES : 0;
    this.#pseudoHeader(link, packet, packet.wireBytes ?? headerBytes + payloadBytes + digestBytes + 8);
    let captured = PSEUDO_BYTES + headerBytes;
    const original = captured + payloadBytes + digestBytes;
    if (packet.payload !== undefined) {
      const payload = packet.payload.subarray(0, payloadBytes);
      this.#bytes.set(payload, captured);
      captured += payload.length;
    }
    // Behind bytes that are not there it could not be worked out.
    if (digestBytes > 0 && captured + digestBytes === original) {
      putTlpDigest(this.#bytes, PSEUDO_BYTES, captured);
      captured = original;
    }
    this.#writer.packet(
      packet.direction === LINK_DIRECTION.UP ? up : down,
      packet.startPs,
      this.#bytes.subarray(0, captured),
      original,
    );
  }

  /** Hands over what is left. The file is whole after it. */
  close(): void {
    this.#writer.close();
  }

  #pseudoHeader(link: LinkDescription, packet: CapturedTlp, wireBytes: number): void {
    const bytes = this.#bytes;
    const view = this.#view;
    bytes[0] = PSEUDO_VERSION;
    bytes[1] =
      (packet.direction === LINK_DIRECTION.DOWN ? FLAG_DOWN : 0) |
      (packet.isReplay === true ? FLAG_REPLAY : 0) |
      (link.isFlitMode === true ? FLAG_FLIT : 0);
    bytes[2] = link.generation;
    bytes[3] = link.width;
    view.setUint16(4, link.domain);
    view.setUint16(6, link.portId);
    view.setUint16(8, packet.sequence ?? DLL_SEQUENCE_UNKNOWN);
    view.setUint16(10, Math.min(0xffff, wireBytes));
    picoseconds(view, 12, packet.startPs);
    picoseconds(view, 20, packet.endPs);
    view.setUint16(28, credits(packet.headerCredits));
    view.setUint16(30, credits(packet.dataCredits));
  }
}

function picoseconds(view: DataView, at: number, ps: number): void {
  // Times of links keep fractions; those of captures do not.
  const whole = Math.floor(ps);
  view.setUint32(at, Math.floor(whole / TWO_32));
  view.setUint32(at + 4, whole % TWO_32);
}

function credits(count: number | undefined): number {
  if (count === undefined) {
    return CREDITS_UNKNOWN;
  }
  return count === Number.POSITIVE_INFINITY
    ? CREDITS_INFINITE
    : Math.min(CREDITS_UNKNOWN - 1, Math.max(0, Math.floor(count)));
}
