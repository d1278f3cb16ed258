/** Copy commands of tests. */
import { putAddress } from '../data/bench.ts';
import type { IoBench } from './io-bench.ts';

export interface Range {
  readonly slba: number;
  readonly blocks: number;
  readonly nsid?: number;
  /** Expected tag, application tag and mask. */
  readonly tag?: number;
  readonly applicationTag?: number;
  readonly applicationMask?: number;
}

export interface CopyFields {
  readonly format?: number;
  readonly nsid?: number;
  readonly to: number;
  readonly prinfor?: number;
  readonly prinfow?: number;
  readonly tag?: number;
  readonly applicationTag?: number;
}

/** Puts the list of a Copy at the start of host memory and runs the command to its end. */
export function copy(bench: IoBench, fields: CopyFields, ranges: readonly Range[]) {
  const format = fields.format ?? 0;
  const isWide = format % 2 === 1;
  const size = isWide ? 40 : 32;
  const { host } = bench.port;
  for (const [i, range] of ranges.entries()) {
    const at = size * i;
    host.fill(at, size, 0);
    host.setValue(at, 4, range.nsid ?? 0);
    putAddress(host, at + 8, range.slba);
    host.setValue(at + 16, 2, range.blocks - 1);
    if (isWide) {
      // 80 bits, big-endian, from byte 26 on.
      for (let byte = 0; byte < 4; byte++) {
        host.setValue(at + 35 - byte, 1, ((range.tag ?? 0) >>> (8 * byte)) & 0xff);
      }
    } else {
      host.setValue(at + 24, 4, range.tag ?? 0);
    }
    host.setValue(at + (isWide ? 36 : 28), 2, range.applicationTag ?? 0);
    host.setValue(at + (isWide ? 38 : 30), 2, range.applicationMask ?? 0);
  }
  return bench.run({
    opcode: 'COPY',
    nsid: fields.nsid ?? 1,
    slba: fields.to,
    dataBytes: size * ranges.length,
    tag: fields.tag ?? 0,
    applicationTag: fields.applicationTag ?? 0,
    applicationMask: 0xffff,
    dwords: {
      12:
        ((ranges.length - 1) |
          (format << 8) |
          ((fields.prinfor ?? 0) << 12) |
          ((fields.prinfow ?? 0) << 26)) >>>
        0,
    },
  });
}

/** The data of blocks, straight from the media. */
export function blocks(bench: IoBench, nsid: number, slba: number, count: number): number[] {
  const namespace = bench.namespace(nsid)!;
  const bytes = new Uint8Array(count * namespace.blockBytes);
  namespace.settle(slba, count);
  namespace.loadBytes(slba, count, bytes, 0);
  return [...bytes];
}
