/** Streams whose data can never arrive are refused before anything runs, with every reason that is known. */
import { explainPair } from '../../advice/index.ts';
import { LabError, PeerlaneError } from '../../base/index.ts';
import { TRAFFIC } from '../../fabric/index.ts';
import { rulesForMachine } from '../../p2pdma/index.ts';
import { MachineIndex } from '../../topology/index.ts';
import { type LabPlace, type LabStream, type LabWorkload, streamPosition } from '../file/index.ts';
import type { LabMachine, LabMember } from '../machine/index.ts';
import { memberOf, type Place, reach, takePlace } from './places.ts';

/** One function and the memory that it makes requests to. */
interface Leg {
  readonly device: string;
  readonly place: LabPlace;
  readonly writes: boolean;
  readonly reads: boolean;
  /** A driver asks the kernel first; a bare function asks nobody. */
  readonly asksKernel: boolean;
}

/** What is tried, in bytes: a page. */
const PROBE_BYTES = 4096;

/**
 * Asks the machine for the way of each stream to peer memory.
 *
 * @param machine  of the same lab, and not the one that will run: memory is taken and given back
 * @throws {LabError} LAB_NO_ROUTE
 */
export function checkRoutes(machine: LabMachine, workload: LabWorkload): void {
  for (const stream of workload.streams) {
    for (const leg of legsOf(stream)) {
      checkLeg(machine, stream, leg);
    }
  }
}

/** Whether there is anything to check, which needs a machine. */
export function hasPeerLegs(workload: LabWorkload): boolean {
  return workload.streams.some((stream) => legsOf(stream).some(({ place }) => place.kind !== 'host'));
}

function legsOf(stream: LabStream): readonly Leg[] {
  switch (stream.kind) {
    case 'read':
    case 'write':
    case 'mix': {
      const readPercent = stream.kind === 'mix' ? stream.readPercent : stream.kind === 'read' ? 100 : 0;
      const { device, memory: place } = stream;
      // A drive writes to memory what is read from it.
      return stream.fetchedBy === undefined
        ? [{ device, place, writes: readPercent > 0, reads: readPercent < 100, asksKernel: true }]
        : [];
    }
    case 'copy': {
      const { device, target, via } = stream;
      return via === 'auto'
        ? []
        : [
            { device, place: via, writes: true, reads: false, asksKernel: true },
            { device: target, place: via, writes: false, reads: true, asksKernel: true },
          ];
    }
    case 'dma-read':
    case 'dma-write': {
      const { device, memory: place, writePercent } = stream;
      return [{ device, place, writes: writePercent > 0, reads: writePercent < 100, asksKernel: false }];
    }
    default:
      return [];
  }
}

function checkLeg(machine: LabMachine, stream: LabStream, leg: Leg): void {
  // A block device over a BAR is no function; the processor moves its data.
  const member =
    leg.place.kind === 'host' || isDisk(machine, leg.device) ? null : memberOf(machine, leg.device);
  const place = member === null ? null : tryPlace(machine, leg.place, member);
  if (member === null || place === null) {
    return;
  }
  try {
    member.platform.enable({ memory: true, busMaster: true });
    const way = reach(machine, member, place);
    try {
      const refused = leg.asksKernel && way.verdict?.startsWith('refused') === true;
      const failed = [
        ...(leg.writes ? [failureOf(member, way.addr, true)] : []),
        ...(leg.reads ? [failureOf(member, way.addr, false)] : []),
      ].filter((failure) => failure !== null);
      if (refused || failed.length > 0) {
        refuse(machine, stream, leg, member, place, refused ? ['the kernel refuses it', ...failed] : failed);
      }
    } finally {
      way.release();
    }
  } finally {
    place.span.close();
  }
}

function isDisk(machine: LabMachine, name: string): boolean {
  return machine.lab.iopmem.some((disk) => disk.name === name);
}

/** Null where the memory cannot be had: whoever sets the stream up says why. */
function tryPlace(machine: LabMachine, place: LabPlace, member: LabMember): Place | null {
  try {
    return takePlace(machine, place, member, PROBE_BYTES);
  } catch (error) {
    if (error instanceof PeerlaneError) {
      return null;
    }
    throw error;
  }
}

function failureOf({ fn }: LabMember, addr: number, isWrite: boolean): string | null {
  const { failure } = fn.requester.routeOf(addr, PROBE_BYTES, isWrite, TRAFFIC.DATA);
  if (failure === null) {
    return null;
  }
  const what =
    failure.code === 'policy'
      ? 'the root complex does not pass it on (`peers:` of the host bridge)'
      : failure.code.replaceAll('-', ' ');
  return `${isWrite ? 'its writes' : 'its reads'}: ${what}${failure.at === null ? '' : ` at ${failure.at.bdf}`}`;
}

function refuse(
  machine: LabMachine,
  stream: LabStream,
  leg: Leg,
  member: LabMember,
  { span, text }: Place,
  failures: readonly string[],
): never {
  const position = streamPosition(stream);
  const at = position === undefined ? '' : `${machine.label}:${position.line}:${position.column}: `;
  const facts = machine.machine();
  const reasons = explainPair(
    new MachineIndex(facts),
    rulesForMachine(facts),
    span.provider!,
    member.bdf,
  ).reasons.filter(({ blocks }) => blocks);
  const told = [...failures, ...reasons.map(({ code, detail }) => `${code}: ${detail}`)];
  throw new LabError('LAB_NO_ROUTE', {
    message: `${at}stream ${stream.name}: ${leg.device} has no way to the ${text}: ${told.join('; ')}`,
    hint:
      reasons[0]?.hint ??
      `\`peerlane lab FILE predict ${leg.place.kind === 'host' ? '' : leg.place.name} ${leg.device}\` shows the way; other places are below one switch, or in system memory`,
    detail: { ...position, stream: stream.name, reasons: reasons.map(({ code }) => code) },
    exitStatus: 2,
  });
}
