/**
 * A stage: something that every packet on its way has to pass, one after the other, and that can be busy. One direction of a
 * link, what a root complex passes between its ports, the link between two sockets, the memory of a node, the engine of a
 * device. Both engines, packet by packet and in flows, work on stages and know nothing else of the machine.
 *
 * Times are picoseconds, rates picoseconds a byte. Occupancy uses the net rate, latency the raw one (docs/timing.md).
 */

export type StageKind =
  /** One direction of a link. Its bytes are those on the wire, headers and framing included. */
  | 'link'
  /** From one root port to another. Payload alone counts. */
  | 'root-complex'
  /** One direction between two sockets. Payload alone counts. */
  | 'socket'
  /** Memory of one NUMA node. Payload alone counts. */
  | 'memory'
  /** What makes or takes packets inside a device: transactions a second, bytes a second. */
  | 'engine';

/** Classes of packets, each with credits of its own. PCIe Base 6.0, 2.6.1. */
export const CLASS = { POSTED: 0, NON_POSTED: 1, COMPLETION: 2 } as const;
export type PacketClass = (typeof CLASS)[keyof typeof CLASS];

/** Receive buffers at the far end: headers, and data in units of 16 bytes, by class. Infinity: never an obstacle. */
export interface Credits {
  readonly headers: readonly [posted: number, nonPosted: number, completion: number];
  readonly data: readonly [posted: number, nonPosted: number, completion: number];
}

export const CREDIT_UNIT_BYTES = 16;

export interface StageOptions {
  readonly kind: StageKind;
  /** For people: `link of 0000:03:00.0, up`. */
  readonly name: string;
  /** Occupancy of one byte, net; 0: bytes cost nothing. */
  readonly occupancyPsPerByte: number;
  /** Serialisation of one byte, raw; 0: no time. */
  readonly latencyPsPerByte: number;
  /** Occupancy of a packet whatever its size: a limit of transactions a second. */
  readonly packetPs?: number;
  /** Occupancy of a request on top of that of its packets. */
  readonly requestPs?: number;
  readonly credits?: Credits | null;
  /** From a packet leaving the receive buffer until its credits can be used again. */
  readonly creditReturnPs?: number;
  /** Bytes that have to go by until an Ack and an UpdateFC go back; Infinity: none. */
  readonly ackEveryBytes?: number;
  /** What then occupies the reverse stage. */
  readonly ackBytes?: number;
  /** A packet of n bytes is sent again with probability 8 n p; 0: never. */
  readonly bitErrorRate?: number;
  /** What a packet that is sent again costs: the round trip until its Nak is there. */
  readonly replayPs?: number;
  /** A packet waits for the flit to fill: up to this long. */
  readonly flitPs?: number;
  /** What comes from here has so many turns at the stage behind, where that one is weighted. */
  readonly weight?: number;
}

export class Stage {
  /** Index in the network; both engines keep their state by it. */
  readonly id: number;
  readonly kind: StageKind;
  readonly name: string;
  readonly packetPs: number;
  readonly requestPs: number;
  readonly latencyPsPerByte: number;
  /** May change while it runs: what the processor takes of a memory's bandwidth. */
  occupancyPsPerByte: number;
  readonly credits: Credits | null;
  readonly creditReturnPs: number;
  readonly ackEveryBytes: number;
  readonly ackBytes: number;
  readonly bitErrorRate: number;
  readonly replayPs: number;
  readonly flitPs: number;
  readonly weight: number;
  /** The other direction of the same link. */
  reverse: Stage | null = null;

  // What it has done, for reports. Both engines keep these.
  /** Picoseconds during which it was busy. */
  busyPs = 0;
  /** Bytes that counted for it, acknowledgements included. */
  wireBytes = 0;
  /** Payload among them. */
  payloadBytes = 0;
  packets = 0;
  /** Picoseconds during which something waited here for credits. */
  creditStallPs = 0;
  /** Packets sent again. */
  replays = 0;

  constructor(id: number, options: StageOptions) {
    this.id = id;
    this.kind = options.kind;
    this.name = options.name;
    this.packetPs = options.packetPs ?? 0;
    this.requestPs = options.requestPs ?? 0;
    this.latencyPsPerByte = options.latencyPsPerByte;
    this.occupancyPsPerByte = options.occupancyPsPerByte;
    this.credits = options.credits ?? null;
    this.creditReturnPs = options.creditReturnPs ?? 0;
    this.ackEveryBytes = options.ackEveryBytes ?? Number.POSITIVE_INFINITY;
    this.ackBytes = options.ackBytes ?? 0;
    this.bitErrorRate = options.bitErrorRate ?? 0;
    this.replayPs = options.replayPs ?? 0;
    this.flitPs = options.flitPs ?? 0;
    this.weight = options.weight ?? 1;
  }

  /** Counters back to zero; what is under way goes on. */
  resetCounts(): void {
    this.busyPs = 0;
    this.wireBytes = 0;
    this.payloadBytes = 0;
    this.packets = 0;
    this.creditStallPs = 0;
    this.replays = 0;
  }
}
