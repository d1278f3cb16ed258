/** Opcodes of the Base Transport Header and what each packet carries. IBA volume 1, 9.2, table 38. */

export const ROCE_OPCODE = {
  SEND_FIRST: 0x00,
  SEND_MIDDLE: 0x01,
  SEND_LAST: 0x02,
  SEND_LAST_IMM: 0x03,
  SEND_ONLY: 0x04,
  SEND_ONLY_IMM: 0x05,
  WRITE_FIRST: 0x06,
  WRITE_MIDDLE: 0x07,
  WRITE_LAST: 0x08,
  WRITE_LAST_IMM: 0x09,
  WRITE_ONLY: 0x0a,
  WRITE_ONLY_IMM: 0x0b,
  READ_REQUEST: 0x0c,
  READ_RESPONSE_FIRST: 0x0d,
  READ_RESPONSE_MIDDLE: 0x0e,
  READ_RESPONSE_LAST: 0x0f,
  READ_RESPONSE_ONLY: 0x10,
  ACKNOWLEDGE: 0x11,
  ATOMIC_ACKNOWLEDGE: 0x12,
  COMPARE_SWAP: 0x13,
  FETCH_ADD: 0x14,
  SEND_LAST_INVALIDATE: 0x16,
  SEND_ONLY_INVALIDATE: 0x17,
  UD_SEND_ONLY: 0x64,
  UD_SEND_ONLY_IMM: 0x65,
} as const;

/** What a packet is; bits of `PacketKind.flags`. */
export const PACKET = {
  /** Starts a message. */
  FIRST: 1,
  /** Ends one. */
  LAST: 2,
  SEND: 4,
  WRITE: 8,
  RETH: 0x10,
  IMM: 0x20,
  IETH: 0x40,
  AETH: 0x80,
  ATOMIC: 0x100,
  ATOMIC_ACK: 0x200,
  DETH: 0x400,
  PAYLOAD: 0x800,
  /** From responder to requester. */
  RESPONSE: 0x1000,
  READ: 0x2000,
} as const;

const P = PACKET;
const ONLY = P.FIRST | P.LAST;
const ANSWER = P.RESPONSE | P.AETH;

const FLAGS: Readonly<Record<keyof typeof ROCE_OPCODE, number>> = {
  SEND_FIRST: P.SEND | P.FIRST | P.PAYLOAD,
  SEND_MIDDLE: P.SEND | P.PAYLOAD,
  SEND_LAST: P.SEND | P.LAST | P.PAYLOAD,
  SEND_LAST_IMM: P.SEND | P.LAST | P.IMM | P.PAYLOAD,
  SEND_ONLY: P.SEND | ONLY | P.PAYLOAD,
  SEND_ONLY_IMM: P.SEND | ONLY | P.IMM | P.PAYLOAD,
  WRITE_FIRST: P.WRITE | P.FIRST | P.RETH | P.PAYLOAD,
  WRITE_MIDDLE: P.WRITE | P.PAYLOAD,
  WRITE_LAST: P.WRITE | P.LAST | P.PAYLOAD,
  WRITE_LAST_IMM: P.WRITE | P.LAST | P.IMM | P.PAYLOAD,
  WRITE_ONLY: P.WRITE | ONLY | P.RETH | P.PAYLOAD,
  WRITE_ONLY_IMM: P.WRITE | ONLY | P.RETH | P.IMM | P.PAYLOAD,
  READ_REQUEST: P.READ | ONLY | P.RETH,
  READ_RESPONSE_FIRST: P.READ | ANSWER | P.FIRST | P.PAYLOAD,
  READ_RESPONSE_MIDDLE: P.READ | P.RESPONSE | P.PAYLOAD,
  READ_RESPONSE_LAST: P.READ | ANSWER | P.LAST | P.PAYLOAD,
  READ_RESPONSE_ONLY: P.READ | ANSWER | ONLY | P.PAYLOAD,
  ACKNOWLEDGE: ANSWER | ONLY,
  ATOMIC_ACKNOWLEDGE: ANSWER | ONLY | P.ATOMIC_ACK,
  COMPARE_SWAP: P.ATOMIC | ONLY,
  FETCH_ADD: P.ATOMIC | ONLY,
  SEND_LAST_INVALIDATE: P.SEND | P.LAST | P.IETH | P.PAYLOAD,
  SEND_ONLY_INVALIDATE: P.SEND | ONLY | P.IETH | P.PAYLOAD,
  UD_SEND_ONLY: P.SEND | ONLY | P.DETH | P.PAYLOAD,
  UD_SEND_ONLY_IMM: P.SEND | ONLY | P.DETH | P.IMM | P.PAYLOAD,
};

/** By opcode: what the packet is; 0 for an opcode that is not spoken here. */
export const PACKET_FLAGS = new Uint16Array(256);
/** By opcode: bytes of extended headers behind the base header. */
export const EXTENDED_BYTES = new Uint8Array(256);

for (const [name, flags] of Object.entries(FLAGS)) {
  const opcode = ROCE_OPCODE[name as keyof typeof ROCE_OPCODE];
  PACKET_FLAGS[opcode] = flags;
  // DETH, RETH, AtomicETH, AETH, AtomicAckETH, ImmDt, IETH: in this order, IBA 9.3.
  EXTENDED_BYTES[opcode] =
    (flags & P.DETH ? 8 : 0) +
    (flags & P.RETH ? 16 : 0) +
    (flags & P.ATOMIC ? 28 : 0) +
    (flags & P.AETH ? 4 : 0) +
    (flags & P.ATOMIC_ACK ? 8 : 0) +
    (flags & P.IMM ? 4 : 0) +
    (flags & P.IETH ? 4 : 0);
}
