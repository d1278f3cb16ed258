// PDUs as a host writes them, byte by byte: not with the code that is tested.
import { crc32c } from '../../../../src/serve/nvme-tcp/index.ts';
import { HOST, SUBSYSTEM } from './served.ts';

/** A PDU of zeroes behind its common header. */
export function pdu(type: number, hlen: number, plen: number, flags = 0, pdo = 0): Buffer {
  const bytes = Buffer.alloc(Math.max(hlen, Math.min(plen, 1 << 16)));
  bytes.set([type, flags, hlen, pdo]);
  bytes.writeUInt32LE(plen >>> 0, 4);
  return bytes;
}

export function icReq(fields: { pfv?: number; hpda?: number; digests?: number; maxr2t?: number }): Buffer {
  const bytes = pdu(0x00, 128, 128);
  bytes.writeUInt16LE(fields.pfv ?? 0, 8);
  bytes[10] = fields.hpda ?? 0;
  bytes[11] = fields.digests ?? 0;
  bytes.writeUInt32LE(fields.maxr2t ?? 0, 12);
  return bytes;
}

/** @param digests  1 header, 2 data, 3 both */
export function withDigests(header: Buffer, data: Buffer | null, digests: number): Buffer {
  const parts = [header];
  const headerEnd = header.length + (digests & 1 ? 4 : 0);
  const hasData = data !== null && data.length > 0;
  header[1]! |= (digests & 1) | (hasData ? digests & 2 : 0);
  header[3] = hasData ? headerEnd : 0;
  header.writeUInt32LE(headerEnd + (hasData ? data.length + (digests & 2 ? 4 : 0) : 0), 4);
  if (digests & 1) {
    parts.push(digestOf(header));
  }
  if (hasData) {
    parts.push(data);
    if (digests & 2) {
      parts.push(digestOf(data));
    }
  }
  return Buffer.concat(parts);
}

function digestOf(bytes: Buffer): Buffer {
  const digest = Buffer.alloc(4);
  digest.writeUInt32LE(crc32c(bytes));
  return digest;
}

export function commandPdu(entry: Buffer, data: Buffer | null, digests: number): Buffer {
  const header = pdu(0x04, 72, 72);
  entry.copy(header, 8);
  return withDigests(header, data, digests);
}

export function dataPdu(
  commandId: number,
  tag: number,
  offsetBytes: number,
  data: Buffer,
  isLast: boolean,
  digests: number,
): Buffer {
  const header = pdu(0x06, 24, 24, isLast ? 4 : 0);
  header.writeUInt16LE(commandId, 8);
  header.writeUInt16LE(tag, 10);
  header.writeUInt32LE(offsetBytes, 12);
  header.writeUInt32LE(data.length, 16);
  return withDigests(header, data, digests);
}

function entry(opcode: number, commandId: number, lengthBytes: number, inCapsule: boolean): Buffer {
  const bytes = Buffer.alloc(64);
  bytes[0] = opcode;
  bytes[1] = 0x40;
  bytes.writeUInt16LE(commandId, 2);
  bytes.writeUInt32LE(lengthBytes, 32);
  bytes[39] = inCapsule ? 0x01 : 0x5a;
  return bytes;
}

export function connectEntry(queueId: number): Buffer {
  const bytes = entry(0x7f, 0, 1024, true);
  bytes[4] = 0x01;
  bytes.writeUInt16LE(queueId, 42);
  bytes.writeUInt16LE(31, 44);
  bytes[46] = 0x04;
  return bytes;
}

export function connectData(controllerId = 0xffff): Buffer {
  const bytes = Buffer.alloc(1024);
  bytes.fill(7, 0, 16);
  bytes.writeUInt16LE(controllerId, 16);
  bytes.write(SUBSYSTEM, 256);
  bytes.write(HOST, 512);
  return bytes;
}

/** Blocks of 512 bytes of namespace 1. */
function ioEntry(
  opcode: number,
  commandId: number,
  slba: number,
  blocks: number,
  inCapsule: boolean,
): Buffer {
  const bytes = entry(opcode, commandId, blocks * 512, inCapsule);
  bytes.writeUInt32LE(1, 4);
  bytes.writeUInt32LE(slba, 40);
  bytes.writeUInt16LE(blocks - 1, 48);
  return bytes;
}

export function readEntry(commandId: number, slba: number, blocks: number): Buffer {
  return ioEntry(0x02, commandId, slba, blocks, false);
}

export function writeEntry(commandId: number, slba: number, blocks: number, inCapsule = false): Buffer {
  return ioEntry(0x01, commandId, slba, blocks, inCapsule);
}
