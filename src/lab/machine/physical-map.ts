/**
 * Where things lie in the CPU's address space of a lab machine: DRAM below and above 4 GiB, and the windows of the host
 * bridges, as firmware of a PC lays them out.
 */

import { LabError } from '../../base/index.ts';
import type { DramNode, HostBridgeWindow } from '../../fabric/index.ts';
import type { LabFile, LabHostBridge } from '../file/index.ts';

const GIB = 2 ** 30;
/** DRAM ends and 32-bit windows begin. */
const LOW_DRAM_END = 2 * GIB;
/** I/O APIC, local APIC and firmware have the rest of the first 4 GiB. */
const LOW_WINDOWS_END = 0xfec0_0000;
const FOUR_GIB = 4 * GIB;
/** Physical address bits of the processor. */
const ADDRESS_END = 2 ** 52;
const WINDOW_ALIGN = 2 ** 20;

export interface PhysicalMap {
  readonly dram: readonly DramNode[];
  /** In the order of the lab's host bridges, those of VMDs behind them: at most a low and a high window each. */
  readonly windows: readonly (readonly HostBridgeWindow[])[];
}

/** What a host bridge, or the domain behind a VMD, wants of the address space. */
export type WindowWish = Pick<LabHostBridge, 'window32Bytes' | 'window64Bytes' | 'translationOffsetBytes'>;

/** @throws {LabError} LAB_NO_ADDRESSES when the windows do not fit */
export function physicalMap(memory: LabFile['memory'], wishes: readonly WindowWish[]): PhysicalMap {
  const dram = dramNodes(memory);
  const dramEnd = dram.reduce((end, { start, lengthBytes }) => Math.max(end, start + lengthBytes), FOUR_GIB);
  let low = LOW_DRAM_END;
  let high = dramEnd;
  const windows = wishes.map((wish) => {
    const own: HostBridgeWindow[] = [];
    if (wish.window32Bytes > 0) {
      own.push({ start: low + wish.translationOffsetBytes, lengthBytes: wish.window32Bytes });
      low = alignUp(low + wish.window32Bytes, WINDOW_ALIGN);
    }
    if (wish.window64Bytes > 0) {
      // A window that starts at a multiple of its size has room for the largest BAR that fits into it.
      const start = alignUp(high, 2 ** Math.floor(Math.log2(wish.window64Bytes)));
      own.push({ start: start + wish.translationOffsetBytes, lengthBytes: wish.window64Bytes });
      high = start + wish.window64Bytes;
    }
    return own;
  });
  if (low > LOW_WINDOWS_END || high > ADDRESS_END) {
    const isLow = low > LOW_WINDOWS_END;
    throw new LabError('LAB_NO_ADDRESSES', {
      message: `the ${isLow ? '32' : '64'}-bit windows of the host bridges do not fit into the ${
        isLow ? `${LOW_WINDOWS_END - LOW_DRAM_END} bytes below 4 GiB` : '52-bit address space'
      }`,
      hint: `make window${isLow ? '32' : '64'} of some host bridges smaller`,
    });
  }
  return { dram, windows };
}

function dramNodes(memory: LabFile['memory']): DramNode[] {
  const nodes: DramNode[] = [];
  let high = FOUR_GIB;
  for (const [numaNode, { sizeBytes }] of memory.entries()) {
    const lowBytes = numaNode === 0 ? Math.min(sizeBytes, LOW_DRAM_END) : 0;
    if (lowBytes > 0) {
      nodes.push({ numaNode, start: 0, lengthBytes: lowBytes });
    }
    if (sizeBytes > lowBytes) {
      nodes.push({ numaNode, start: high, lengthBytes: sizeBytes - lowBytes });
      high += sizeBytes - lowBytes;
    }
  }
  return nodes;
}

function alignUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
