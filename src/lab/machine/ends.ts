/**
 * The ends of a transfer on a lab machine: block devices by the names that people use, opened through their driver, and the
 * bytes that a device itself holds, which no request on the fabric is needed to look at.
 *
 * Leaves out other things than namespaces of NVMe drives.
 */
import type { BlockTarget } from '../../access/index.ts';
import { type Bdf, LabError } from '../../base/index.ts';
import type { Namespace, NvmeController } from '../../devices/index.ts';
import type { MachineIndex } from '../../topology/index.ts';
import type { LabNamespace } from '../file/index.ts';
import type { Bound } from './drivers.ts';
import type { LabMachine } from './lab-machine.ts';

/** A block device of a lab. */
export interface LabEnd {
  /** As Linux calls it: `nvme0n1`. */
  readonly label: string;
  /** The function that does its DMA. */
  readonly bdf: Bdf;
  readonly nsid: number;
  readonly sizeBytes: number;
  /** File that its content comes from; null for a pattern. */
  readonly image: string | null;
}

/**
 * What a person means: `nvme0` (its first namespace), `nvme0n2`, `/dev/nvme0n1`, or an address.
 *
 * @throws {TopologyError} TOPO_UNKNOWN_NAME, TOPO_UNKNOWN_BDF with the nearest that there are
 * @throws {LabError} LAB_NO_BLOCKS for a function that holds no blocks
 */
export function findLabEnd(machine: LabMachine, index: MachineIndex, text: string): LabEnd {
  const fn = index.resolve(text);
  const bound = machine.boundAt(fn.bdf);
  const namespaces = namespacesOf(bound);
  const name = text.replace(/^\/dev\//, '');
  const found = namespaces.find(({ label }) => label === name) ?? namespaces[0];
  if (bound === undefined || found === undefined) {
    const drives = machine.bound.flatMap((each) => namespacesOf(each).map(({ label }) => label));
    throw new LabError('LAB_NO_BLOCKS', {
      message: `${text} holds no blocks: ${whyNot(bound)}`,
      hint:
        drives.length === 0
          ? 'this lab has no drives; give one of its devices the kind `nvme`'
          : `drives of this lab: ${drives.slice(0, 8).join(', ')}`,
      detail: { asked: text, bdf: fn.bdf },
    });
  }
  return { ...found, bdf: fn.bdf };
}

/** Every block device of a lab, in the order of the file. */
export function labEnds(machine: LabMachine): readonly LabEnd[] {
  return machine.bound.flatMap((bound) => namespacesOf(bound).map((end) => ({ ...end, bdf: bound.fn.bdf })));
}

function namespacesOf(bound: Bound | undefined): readonly Omit<LabEnd, 'bdf'>[] {
  if (bound === undefined || bound.nvme === null || !('namespaces' in bound.node)) {
    return [];
  }
  const written: readonly LabNamespace[] = bound.node.namespaces;
  return bound.nvme.namespaces.map(({ nsid, sizeBlocks, blockBytes }) => ({
    label: `${bound.node.name}n${nsid}`,
    nsid,
    sizeBytes: sizeBlocks * blockBytes,
    image: written.find((each) => each.nsid === nsid)?.image ?? null,
  }));
}

function whyNot(bound: Bound | undefined): string {
  if (bound === undefined) {
    return 'it is a bridge';
  }
  if (!('namespaces' in bound.node)) {
    return `it is a ${bound.node.kind}`;
  }
  return bound.nvme === null ? 'its driver gave up' : 'it has no namespaces';
}

/** @throws {NvmeError} NVME_NAMESPACE when its format cannot be used for plain blocks */
export function openLabEnd(
  machine: LabMachine,
  end: LabEnd,
  options: { readonly isReadOnly: boolean },
): BlockTarget {
  return machine.boundAt(end.bdf)!.nvme!.openNamespace(end.nsid, options);
}

/** Bytes that are looked at together where a namespace lies in a file. */
const PIECE_BYTES = 2 ** 20;

/** What a comparison of two media found. */
export interface MediaDifference {
  /** First byte that differs, counted from the start of the range; -1: none. */
  readonly atBytes: number;
  /** The two bytes there; 0 and 0 when there is no difference. */
  readonly first: number;
  readonly second: number;
  /** A range of a medium that its own device cannot read; null when all could be. */
  readonly unreadable: string | null;
}

/**
 * Compares what two drives hold, by the drives' own view: neither a window nor a request on the fabric is involved. Offsets
 * and length are whole blocks of both.
 */
export function compareMedia(
  machine: LabMachine,
  first: LabEnd,
  firstOffsetBytes: number,
  second: LabEnd,
  secondOffsetBytes: number,
  lengthBytes: number,
): MediaDifference {
  const sides = [
    { label: first.label, media: mediaOf(machine, first), offset: firstOffsetBytes },
    { label: second.label, media: mediaOf(machine, second), offset: secondOffsetBytes },
  ] as const;
  for (const { label, media, offset } of sides) {
    const block = offset / media.blockBytes;
    const blocks = lengthBytes / media.blockBytes;
    if (media.settle(block, blocks) !== 0 || media.firstBad(block, blocks) >= 0) {
      return { atBytes: -1, first: 0, second: 0, unreadable: label };
    }
  }
  const [a, b] = sides;
  if (a.media.data !== null && b.media.data !== null) {
    const at = a.media.data.firstDifference(a.offset, b.media.data, b.offset, lengthBytes);
    return at < 0
      ? EQUAL
      : {
          atBytes: at,
          first: a.media.data.getValue(a.offset + at, 1),
          second: b.media.data.getValue(b.offset + at, 1),
          unreadable: null,
        };
  }
  return compareBytes(sides, lengthBytes);
}

const EQUAL: MediaDifference = { atBytes: -1, first: 0, second: 0, unreadable: null };

interface MediaSide {
  readonly label: string;
  readonly media: Namespace;
  readonly offset: number;
}

function compareBytes(sides: readonly [MediaSide, MediaSide], lengthBytes: number): MediaDifference {
  const pieces = [new Uint8Array(PIECE_BYTES), new Uint8Array(PIECE_BYTES)] as const;
  for (let done = 0; done < lengthBytes; done += PIECE_BYTES) {
    const length = Math.min(PIECE_BYTES, lengthBytes - done);
    for (const [i, { label, media, offset }] of sides.entries()) {
      const status = media.loadBytes(
        (offset + done) / media.blockBytes,
        length / media.blockBytes,
        pieces[i]!,
        0,
      );
      if (status !== 0) {
        return { ...EQUAL, unreadable: label };
      }
    }
    for (let i = 0; i < length; i++) {
      if (pieces[0][i] !== pieces[1][i]) {
        return { atBytes: done + i, first: pieces[0][i]!, second: pieces[1][i]!, unreadable: null };
      }
    }
  }
  return EQUAL;
}

function mediaOf(machine: LabMachine, end: LabEnd): Namespace {
  const model = machine.members.find(({ bdf }) => bdf === end.bdf)!.model;
  // Only an end of `findLabEnd` comes here, and that is a namespace of a drive.
  return (model as NvmeController).namespace(end.nsid)!;
}
