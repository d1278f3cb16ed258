/**
 * Queue entries: the submission queue entry with its data pointer, the completion queue entry, PRP entries and SGL
 * descriptors.
 *
 * Leaves out the dwords of single commands (`admin-commands.ts`, `io-commands.ts`), status codes (`status.ts`) and who
 * walks the lists. Follows NVM Express Base 2.1, sections 4.1 to 4.3.
 */
import {
  bit,
  bits,
  type FieldSpec,
  plain,
  type Register,
  register,
  reserved,
  structure,
} from '../../base/index.ts';

/** A submission queue entry: CC.IOSQES is 6. */
export const SQE_BYTES = 64;
/** A completion queue entry: CC.IOCQES is 4. */
export const CQE_BYTES = 16;

/** Command Dword 0. NVM Express Base 2.1, 4.1.1. */
export const CDW0 = register('CDW0', 0x00, 32, {
  OPC: bits(7, 0),
  /** See FUSE. */
  FUSE: bits(9, 8),
  /** See PSDT. */
  PSDT: bits(15, 14),
  CID: bits(31, 16),
});
export const NSID = plain('NSID', 0x04, 32);
export const CDW2 = plain('CDW2', 0x08, 32);
export const CDW3 = plain('CDW3', 0x0c, 32);
/** Metadata Pointer: dword aligned buffer (PSDT 0 or 1), or an SGL segment, qword aligned (PSDT 2). */
export const MPTR = plain('MPTR', 0x10, 64);
/** First PRP entry, or the first half of SGL1. */
export const PRP1 = plain('PRP1', 0x18, 64);
/** Second PRP entry or the address of a list; see `prpPageCount`. */
export const PRP2 = plain('PRP2', 0x20, 64);
/** Where DPTR starts; SGL1, an SGL descriptor, takes the same 16 bytes. */
export const DPTR_OFFSET = 0x18;
export const CDW10 = plain('CDW10', 0x28, 32);
export const CDW11 = plain('CDW11', 0x2c, 32);
export const CDW12 = plain('CDW12', 0x30, 32);
export const CDW13 = plain('CDW13', 0x34, 32);
export const CDW14 = plain('CDW14', 0x38, 32);
export const CDW15 = plain('CDW15', 0x3c, 32);

export const SUBMISSION_QUEUE_ENTRY = structure(
  'Submission Queue Entry',
  'NVM Express Base 2.1, 4.1.1',
  SQE_BYTES,
  [CDW0, NSID, CDW2, CDW3, MPTR, PRP1, PRP2, CDW10, CDW11, CDW12, CDW13, CDW14, CDW15],
);

/** Declares the meaning of one command dword: its offset in the entry is four times its number. */
export function commandDword<const Specs extends Record<string, FieldSpec>>(
  command: string,
  number: number,
  specs: Specs,
): Register<Extract<keyof Specs, string>> {
  return register(`${command} CDW${number}`, 4 * number, 32, specs);
}

/** CDW0.FUSE. NVM Express Base 2.1, 4.1.1. */
export const FUSE = { NORMAL: 0, FIRST: 1, SECOND: 2 } as const;

/** CDW0.PSDT. NVM Express Base 2.1, 4.1.1. */
export const PSDT = {
  PRP: 0,
  /** Data by SGL; MPTR is one contiguous buffer. */
  SGL_MPTR_BUFFER: 1,
  /** Data by SGL; MPTR is the address of one SGL descriptor. */
  SGL_MPTR_SGL: 2,
} as const;

/** NSID that stands for all namespaces. NVM Express Base 2.1, 3.2.1.2. */
export const NSID_BROADCAST = 0xffff_ffff;
/** CID that a host does not use: the error log says with it that no command is meant. */
export const CID_NONE = 0xffff;

/** Command specific result. */
export const CQE_DW0 = plain('DW0', 0x00, 32);
/** Command specific, for few commands. */
export const CQE_DW1 = plain('DW1', 0x04, 32);
/** Head of the submission queue: entries before it may be reused. */
export const SQHD = plain('SQHD', 0x08, 16);
export const SQID = plain('SQID', 0x0a, 16);
export const CQE_CID = plain('CID', 0x0c, 16);
/** Phase tag and status: the upper half of dword 3. NVM Express Base 2.1, 4.2.1 and 4.2.3. */
export const CQE_STATUS = register('STATUS', 0x0e, 16, {
  /** Phase tag: inverts each time the queue wraps, 1 on the first pass. */
  P: bit(0),
  SC: bits(8, 1),
  SCT: bits(11, 9),
  /** 0: retry at once; 1 to 3: after CRDT1 to CRDT3 of Identify Controller. */
  CRD: bits(13, 12),
  /** More: the error log has an entry. */
  M: bit(14),
  /** Do Not Retry. */
  DNR: bit(15),
});

export const COMPLETION_QUEUE_ENTRY = structure(
  'Completion Queue Entry',
  'NVM Express Base 2.1, 4.2.1',
  CQE_BYTES,
  [CQE_DW0, CQE_DW1, SQHD, SQID, CQE_CID, CQE_STATUS],
);

/** A PRP entry is a 64-bit address; bits 1:0 are 0. NVM Express Base 2.1, 4.3.1. */
export const PRP_ENTRY_BYTES = 8;

/**
 * Memory pages that a transfer touches when its first PRP is `prp1`, which may start inside a page.
 *
 * With 1, PRP2 is reserved. With 2, PRP2 is the second page (offset 0). Above, PRP2 is the address of a PRP list for the
 * pages after the first: qword aligned, it may start inside a page; every entry in it has offset 0; where a list
 * reaches the end of its page and more than one entry is still due, its last entry is the address of the next list.
 * NVM Express Base 2.1, 4.3.1 and 4.1.1 (DPTR).
 */
export function prpPageCount(prp1: number, lengthBytes: number, pageBytes: number): number {
  return Math.ceil(((prp1 % pageBytes) + lengthBytes) / pageBytes);
}

/** Entries between `listAddress` and the end of its memory page. */
export function prpListEntries(listAddress: number, pageBytes: number): number {
  return Math.floor((pageBytes - (listAddress % pageBytes)) / PRP_ENTRY_BYTES);
}

export const SGL_DESCRIPTOR_BYTES = 16;

/** Last byte of every SGL descriptor. NVM Express Base 2.1, 4.3.2. */
export const SGL_IDENTIFIER = register('SGL Identifier', 0x0f, 8, {
  /** See SGL_SUBTYPE. */
  SUBTYPE: bits(3, 0),
  /** See SGL_TYPE. */
  TYPE: bits(7, 4),
});
/** Address, or an offset when the subtype says so; reserved in a bit bucket. */
export const SGL_ADDRESS = plain('SGL Address', 0x00, 64);
/** Bytes. A segment's is a multiple of 16. */
export const SGL_LENGTH = plain('SGL Length', 0x08, 32);

/** Data block, bit bucket, segment, last segment, transport data block. */
export const SGL_DESCRIPTOR = structure(
  'SGL Descriptor',
  'NVM Express Base 2.1, 4.3.2',
  SGL_DESCRIPTOR_BYTES,
  [SGL_ADDRESS, SGL_LENGTH, reserved(0x0c, 3), SGL_IDENTIFIER],
);

/** Bytes, in a keyed descriptor. */
export const SGL_KEYED_LENGTH = plain('SGL Keyed Length', 0x08, 24);
/** Remote key of the memory. */
export const SGL_KEY = plain('SGL Key', 0x0b, 32);

/** Keyed data block, of fabrics only. */
export const SGL_KEYED_DESCRIPTOR = structure(
  'Keyed SGL Descriptor',
  'NVM Express Base 2.1, 4.3.2',
  SGL_DESCRIPTOR_BYTES,
  [SGL_ADDRESS, SGL_KEYED_LENGTH, SGL_KEY, SGL_IDENTIFIER],
);

/** NVM Express Base 2.1, 4.3.2. */
export const SGL_TYPE = {
  DATA_BLOCK: 0x0,
  /** For reads: that many bytes go nowhere. */
  BIT_BUCKET: 0x1,
  SEGMENT: 0x2,
  LAST_SEGMENT: 0x3,
  KEYED_DATA_BLOCK: 0x4,
  TRANSPORT_DATA_BLOCK: 0x5,
  VENDOR: 0xf,
} as const;

/** NVM Express Base 2.1, 4.3.2. Ah to Fh belong to the transport. */
export const SGL_SUBTYPE = {
  ADDRESS: 0x0,
  /** From the start of the capsule's data. */
  OFFSET: 0x1,
  TRANSPORT: 0xa,
  /** NVMe over RDMA: the key is invalidated with the response. */
  INVALIDATE_KEY: 0xf,
} as const;
