/** The block devices that a lab file lays over BARs, and their memory as peers may map it. */
import type { Span } from '../../access/index.ts';
import { PeerlaneError } from '../../base/index.ts';
import { IopmemDisk } from '../../drivers/index.ts';
import type { FabricPciFunction } from '../../fabric/index.ts';
import { type P2pdma, PeerSpan } from '../../p2pdma/index.ts';
import type { LabIopmem } from '../file/index.ts';

/** A block device that the lab file asks for, or why there is none, or why peers cannot map it: one line each. */
export interface BoundDisk {
  readonly name: string;
  readonly disk: IopmemDisk | null;
  readonly notes: readonly string[];
}

export function bindDisk(entry: LabIopmem, fn: FabricPciFunction, p2pdma: P2pdma): BoundDisk {
  const notes: string[] = [];
  const direct = directSpan(entry, fn, p2pdma, notes);
  try {
    const disk = new IopmemDisk({
      label: entry.name,
      fn,
      bar: entry.bar,
      offsetBytes: entry.offsetBytes,
      sizeBytes: entry.sizeBytes,
      blockBytes: entry.blockBytes,
      direct,
    });
    return { name: entry.name, disk, notes };
  } catch (error) {
    direct?.close();
    if (!(error instanceof PeerlaneError)) {
      throw error;
    }
    return { name: entry.name, disk: null, notes: [...notes, error.message] };
  }
}

/**
 * All of the device's memory, registered and allocated as one piece, so that nobody else gets a part of it. Memory that the
 * function's own driver has registered already is taken only where the pool gives exactly this range.
 */
function directSpan(entry: LabIopmem, fn: FabricPciFunction, p2pdma: P2pdma, notes: string[]): Span | null {
  const start = (fn.bar(entry.bar)?.physAddr ?? 0) + entry.offsetBytes;
  try {
    if (p2pdma.provider(fn.bdf) === undefined) {
      p2pdma.addResource(fn, entry.bar, entry.sizeBytes, entry.offsetBytes);
    }
    const span = p2pdma.allocSpan(fn.bdf, entry.sizeBytes);
    if (span instanceof PeerSpan && span.address === start) {
      return span;
    }
    span.close();
    notes.push(`${entry.name}: peers cannot map it: its memory is offered by another driver`);
  } catch (error) {
    if (!(error instanceof PeerlaneError)) {
      throw error;
    }
    notes.push(`${entry.name}: peers cannot map it: ${error.message}`);
  }
  return null;
}
