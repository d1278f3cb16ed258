/** The header of a memory request as a header log shows it. PCIe Base 6.0, 2.2.1, 2.2.7 and 7.8.4.8. */
import { isExactAddress } from '../routing/region.ts';
import { splitRequest } from '../tlp/split.ts';

/** Four dwords, the first byte of the header in the highest byte of the first. */
export type HeaderLog = readonly [number, number, number, number];

const FOUR_GIB = 0x1_0000_0000;
/** Format field: three or four dwords, with or without data. */
const FORMAT = { DW3: 0, DW4: 1, DATA: 2 } as const;
/** The largest request that one packet can be. */
const LIMIT_BYTES = 4096;

export interface LoggedRequest {
  readonly isWrite: boolean;
  readonly requesterId: number;
  readonly addr: number;
  readonly lengthBytes: number;
  /** Address Type, two bits. */
  readonly addressType: number;
}

/** The header of the first packet of a request. Addresses that are no exact number show as all ones. */
export function headerLog(request: LoggedRequest): HeaderLog {
  const isExact = isExactAddress(request.addr);
  const addr = isExact ? request.addr : 0;
  const piece = splitRequest(addr, request.lengthBytes, LIMIT_BYTES)[0]!;
  const is64Bit = !isExact || addr >= FOUR_GIB;
  const format = (is64Bit ? FORMAT.DW4 : FORMAT.DW3) | (request.isWrite ? FORMAT.DATA : 0);
  const first = ((format << 29) | (request.addressType << 10) | (piece.lengthDw & 0x3ff)) >>> 0;
  const second = ((request.requesterId << 16) | (piece.lastEnables << 4) | piece.firstEnables) >>> 0;
  const low = isExact ? ((addr % FOUR_GIB) & ~3) >>> 0 : 0xffff_fffc;
  const high = isExact ? Math.floor(addr / FOUR_GIB) : 0xffff_ffff;
  return is64Bit ? [first, second, high, low] : [first, second, low, 0];
}
