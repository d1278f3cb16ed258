/**
 * The ends of a transfer on a lab machine: namespaces and iopmem disks by the names that people use, opened through their
 * drivers, and the bytes that a device itself holds, which no request on the fabric is needed to look at.
 */
import type { BlockTarget, Span } from '../../access/index.ts';
import { type Bdf, LabError } from '../../base/index.ts';
import { MemoryEndpoint, type NvmeController } from '../../devices/index.ts';
import { IopmemDisk } from '../../drivers/index.ts';
import type { Memory } from '../../fabric/index.ts';
import type { MachineIndex } from '../../topology/index.ts';
import type { LabNamespace } from '../file/index.ts';
import type { Bound } from './drivers.ts';
import type { LabMachine } from './lab-machine.ts';

/** A block device of a lab. */
export interface LabEnd {
  /** As Linux calls it: `nvme0n1`, `iopmem0`. */
  readonly label: string;
  /** The function that holds the blocks. */
  readonly bdf: Bdf;
  /** Null for memory of a BAR, which the processor copies to and from. */
  readonly nsid: number | null;
  readonly sizeBytes: number;
  /** File that its content comes from; null for a pattern. */
  readonly image: string | null;
}

/**
 * What a person means: `nvme0` (its first namespace), `nvme0n2`, `/dev/nvme0n1`, `iopmem0`, or the address of a drive.
 *
 * @throws {TopologyError} TOPO_UNKNOWN_NAME, TOPO_UNKNOWN_BDF with the nearest that there are
 * @throws {LabError} LAB_NO_BLOCKS for a function that holds no blocks
 */
export function findLabEnd(machine: LabMachine, index: MachineIndex, text: string): LabEnd {
  const name = text.replace(/^\/dev\//, '');
  const ends = labEnds(machine);
  const named = ends.find(({ label }) => label === name);
  if (named !== undefined) {
    return named;
  }
  const fn = index.resolve(text);
  const found = ends.find(({ bdf, nsid }) => bdf === fn.bdf && nsid !== null);
  if (found === undefined) {
    const drives = ends.map(({ label }) => label);
    throw new LabError('LAB_NO_BLOCKS', {
      message: `${text} holds no blocks: ${whyNot(machine.boundAt(fn.bdf))}`,
      hint:
        drives.length === 0
          ? 'this lab has no drives; give one of its devices the kind `nvme`'
          : `drives of this lab: ${drives.slice(0, 8).join(', ')}`,
      detail: { asked: text, bdf: fn.bdf },
    });
  }
  return found;
}

/** Every block device of a lab, in the order of the file. */
export function labEnds(machine: LabMachine): readonly LabEnd[] {
  const disks = machine.disks.flatMap(({ name, disk }) =>
    disk === null
      ? []
      : [{ label: name, bdf: disk.provider, nsid: null, sizeBytes: disk.sizeBytes, image: null }],
  );
  return [...machine.bound.flatMap(namespacesOf), ...disks];
}

function namespacesOf(bound: Bound): readonly LabEnd[] {
  if (bound.nvme === null || !('namespaces' in bound.node)) {
    return [];
  }
  const written: readonly LabNamespace[] = bound.node.namespaces;
  return bound.nvme.namespaces.map(({ nsid, sizeBlocks, blockBytes }) => ({
    label: `${bound.node.name}n${nsid}`,
    bdf: bound.fn.bdf,
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
  return end.nsid === null
    ? openDisk(machine, end)
    : machine.boundAt(end.bdf)!.nvme!.openNamespace(end.nsid, options);
}

/** Another handle of the disk, so that closing it does not end the machine's own. */
function openDisk(machine: LabMachine, end: LabEnd): IopmemDisk {
  const { function: name, ...entry } = machine.lab.iopmem.find((each) => each.name === end.label)!;
  return new IopmemDisk({
    ...entry,
    label: end.label,
    fn: machine.member(name)!.platform,
    direct: labEndMemory(machine, end),
  });
}

/** All of an end's blocks as memory that devices may map; null where they are none. Stays the machine's. */
export function labEndMemory(machine: LabMachine, end: LabEnd): Span | null {
  return machine.disks.find(({ name }) => name === end.label)?.disk?.direct ?? null;
}

/** Bytes that are looked at together where content lies in a file. */
const PIECE_BYTES = 2 ** 20;

/** What a comparison found. */
export interface MediaDifference {
  /** First byte that differs, counted from the start of the range; -1: none. */
  readonly atBytes: number;
  /** The two bytes there; 0 and 0 when there is no difference. */
  readonly first: number;
  readonly second: number;
  /** Label of an end whose own device cannot read all of the range; null when both can. */
  readonly unreadable: string | null;
}

const EQUAL: MediaDifference = { atBytes: -1, first: 0, second: 0, unreadable: null };

/** A range of an end. */
export interface LabRange {
  readonly end: LabEnd;
  /** Whole blocks. */
  readonly offsetBytes: number;
}

/**
 * Compares what two devices hold, in their own view: neither a window nor a request on the fabric is involved.
 *
 * @param lengthBytes  whole blocks of both
 */
export function compareMedia(
  machine: LabMachine,
  first: LabRange,
  second: LabRange,
  lengthBytes: number,
): MediaDifference {
  const a = mediumOf(machine, first, lengthBytes);
  const b = mediumOf(machine, second, lengthBytes);
  if (a === undefined || b === undefined) {
    return { ...EQUAL, unreadable: (a === undefined ? first : second).end.label };
  }
  if (a.memory !== null && b.memory !== null) {
    const at = a.memory.firstDifference(a.offsetBytes, b.memory, b.offsetBytes, lengthBytes);
    return at < 0
      ? EQUAL
      : {
          atBytes: at,
          first: a.memory.getValue(a.offsetBytes + at, 1),
          second: b.memory.getValue(b.offsetBytes + at, 1),
          unreadable: null,
        };
  }
  const pieces = [new Uint8Array(PIECE_BYTES), new Uint8Array(PIECE_BYTES)] as const;
  for (let done = 0; done < lengthBytes; done += PIECE_BYTES) {
    const length = Math.min(PIECE_BYTES, lengthBytes - done);
    if (!a.read(done, pieces[0], length)) {
      return { ...EQUAL, unreadable: first.end.label };
    }
    if (!b.read(done, pieces[1], length)) {
      return { ...EQUAL, unreadable: second.end.label };
    }
    for (let i = 0; i < length; i++) {
      if (pieces[0][i] !== pieces[1][i]) {
        return { atBytes: done + i, first: pieces[0][i]!, second: pieces[1][i]!, unreadable: null };
      }
    }
  }
  return EQUAL;
}

/** The range of an end as its own device holds it. */
interface Medium {
  /** Null: in a file. */
  readonly memory: Memory | null;
  readonly offsetBytes: number;
  /** From the start of the range on. False: the device itself cannot read it. */
  readonly read: (offsetBytes: number, into: Uint8Array, lengthBytes: number) => boolean;
}

/** Undefined: the device itself cannot read all of it. */
function mediumOf(
  machine: LabMachine,
  { end, offsetBytes }: LabRange,
  lengthBytes: number,
): Medium | undefined {
  // An end of `findLabEnd` is a namespace of a drive, or memory of a BAR: the models are those.
  const { model } = machine.members.find(({ bdf }) => bdf === end.bdf)!;
  if (end.nsid === null) {
    const { bar, offsetBytes: base } = machine.lab.iopmem.find(({ name }) => name === end.label)!;
    const memory = model instanceof MemoryEndpoint ? model.memory(bar) : undefined;
    return memory === undefined ? undefined : mediumInMemory(memory, base + offsetBytes);
  }
  const namespace = (model as NvmeController).namespace(end.nsid)!;
  const block = offsetBytes / namespace.blockBytes;
  const blocks = lengthBytes / namespace.blockBytes;
  if (namespace.settle(block, blocks) !== 0 || namespace.firstBad(block, blocks) >= 0) {
    return undefined;
  }
  return namespace.data !== null
    ? mediumInMemory(namespace.data, offsetBytes)
    : {
        memory: null,
        offsetBytes,
        read: (offset, into, length) =>
          namespace.loadBytes(
            block + offset / namespace.blockBytes,
            length / namespace.blockBytes,
            into,
            0,
          ) === 0,
      };
}

function mediumInMemory(memory: Memory, offsetBytes: number): Medium {
  return {
    memory,
    offsetBytes,
    read: (offset, into, length) => {
      memory.read(offsetBytes + offset, into, 0, length);
      return true;
    },
  };
}
