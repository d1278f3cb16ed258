/** Where data of a stream is: memory of the machine, as spans for drivers and as addresses for requesters. */
import type { Span } from '../../access/index.ts';
import { LabError, PeerlaneError, type PhysAddr } from '../../base/index.ts';
import { PeerSpan } from '../../p2pdma/index.ts';
import type { LabPlace } from '../file/index.ts';
import type { LabMachine, LabMember } from '../machine/index.ts';

/** As Linux gives out memory: what lies above 4 GiB first, so that packets need the header of four dwords. */
const DMA32_END = 0x1_0000_0000;

export interface Place {
  readonly span: Span;
  readonly provider: string | null;
  /** For people. */
  readonly text: string;
}

/** The member that a checked name means. */
export function memberOf(machine: LabMachine, name: string): LabMember {
  // An address where the lab file gives the function no name.
  const member =
    machine.member(name) ?? virtualMember(machine, name) ?? machine.members.find(({ bdf }) => bdf === name);
  if (member === undefined) {
    throw new LabError('LAB_NO_BLOCKS', {
      message: `${name} is not in this machine now`,
      hint: 'name a device of the lab file',
    });
  }
  return member;
}

/** `nic0vf1`: the lab file makes it with its physical function, and its engine is that of the physical function. */
function virtualMember(machine: LabMachine, name: string): LabMember | undefined {
  const parts = /^(.+)vf(\d+)$/.exec(name);
  const physical = parts === null ? undefined : machine.member(parts[1]!);
  const fn = physical?.fn.virtuals[Number(parts?.[2])];
  const platform = fn === undefined ? undefined : machine.platform.functionAt(fn.bdf);
  return platform === undefined ? undefined : { ...physical!, fn: fn!, bdf: fn!.bdf, platform };
}

/** NUMA node of a device. */
export function nodeOf(machine: LabMachine, member: LabMember): number {
  return Math.min(member.fn.device.bus.hostBridge.numaNode ?? 0, machine.lab.memory.length - 1);
}

/**
 * Memory for a stream; the caller closes the span.
 * @param member whose node system memory is on where the place says none
 * @throws {MappingError} P2P_POOL_EXHAUSTED, DMA_NO_MEMORY, P2P_... where memory of a BAR cannot be offered
 */
export function takePlace(
  machine: LabMachine,
  place: LabPlace,
  member: LabMember | null,
  lengthBytes: number,
): Place {
  if (place.kind === 'host') {
    const node = place.node ?? (member === null ? 0 : nodeOf(machine, member));
    return {
      span: machine.platform.allocSpan(lengthBytes, machine.storage, node, DMA32_END),
      provider: null,
      text: machine.lab.memory.length > 1 ? `memory of node ${node}` : 'system memory',
    };
  }
  const owner = memberOf(machine, place.name);
  const { bdf } = owner;
  // A block device over the BAR has all of its memory, and lends the beginning.
  const disk = machine.disks.find((each) => each.disk?.provider === bdf)?.disk?.direct;
  if (disk instanceof PeerSpan) {
    return { span: disk.share(0, lengthBytes), provider: place.name, text: `memory of ${place.name}` };
  }
  if (machine.p2pdma.provider(bdf) === undefined && place.kind === 'bar') {
    owner.platform.enable({ memory: true });
    machine.p2pdma.addResource(owner.platform, place.bar);
  }
  return {
    span: machine.p2pdma.allocSpan(bdf, lengthBytes),
    provider: place.name,
    text: `${place.kind === 'cmb' ? 'controller memory' : 'memory'} of ${place.name}`,
  };
}

/** How much of system memory a place is. */
export function hostBytesOf({ span }: Place): number {
  return span.kind === 'host' ? span.lengthBytes : 0;
}

/** What a requester is programmed with to reach a span, and how to give it back. */
export interface Reach {
  readonly addr: number;
  /** What the kernel said of it; null where it was not asked. */
  readonly verdict: string | null;
  readonly release: () => void;
}

/**
 * Addresses of a span for a function that makes its own requests. Where the kernel refuses a peer mapping the function is given
 * the address that the processor would use, as a driver that asks nobody does; whether requests arrive is the fabric's affair.
 * @throws {MappingError} DMA_MASK, DMA_NO_IOVA
 */
export function reach(machine: LabMachine, member: LabMember, { span }: Place): Reach {
  const { platform } = member;
  platform.dma.setAddressBits(64);
  if (!(span instanceof PeerSpan)) {
    const mapping = platform.dma.mapHost(span, 0, span.lengthBytes);
    return { addr: mapping.segments[0]!.addr, verdict: null, release: () => mapping.unmap() };
  }
  if (span.provider === member.bdf) {
    return { addr: span.address, verdict: 'its own memory', release: () => {} };
  }
  try {
    const mapping = machine.p2pdma.mapSpan(span, platform);
    return {
      addr: mapping.segments[0]!.addr,
      verdict: 'granted',
      release: () => mapping.unmap(),
    };
  } catch (error) {
    if (!(error instanceof PeerlaneError)) {
      throw error;
    }
    const mapping = platform.dma.mapPhys(span.address as PhysAddr, span.lengthBytes);
    return {
      addr: mapping.segments[0]!.addr,
      verdict: `refused (${error.code}), and programmed without it`,
      release: () => mapping.unmap(),
    };
  }
}
