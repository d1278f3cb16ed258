/**
 * Every packet of every link as a capture: what the packet engine says of it, with the header that it would have.
 *
 * One frame for each link that a packet crosses. Addresses are those with which it left its requester, translated already where the
 * device did that (ATS), on every link. Payload bytes are not in the capture: the engine knows how many there are, and moves none.
 * Leaves out configuration requests and messages other than those of ATS, which take no time here and are no packets of the
 * engine, and packets that are sent again after a bit error, of which only the time is known.
 */
import type { CommandListener } from '../../devices/index.ts';
import {
  ADDRESS_TYPE,
  CLASS,
  type Credits,
  type FabricFunction,
  type LinkStages,
  NO_REQUEST,
  type Route,
  type TimedPath,
  TlpEngine,
} from '../../fabric/index.ts';
import { LINK_DIRECTION, type LinkDirection, TlpCapture, type TlpFields } from '../../report/index.ts';
import type { LabMachine } from '../machine/index.ts';
import type { TraceSink } from './events.ts';
import { LimitedOutput } from './limited-output.ts';

/** Tags have ten bits; a function that has more under way uses their fourteen, of which these are the low ones. */
const TAG_MASK = 0x3ff;
const TAGS_PER_SOURCE = 65_536;
const RELAXED_ORDERING = 2;
/** Message codes, and how they are routed. PCIe Base 6.0, appendix F. */
const INVALIDATE_REQUEST = 0x01;
const INVALIDATE_COMPLETION = 0x02;
const BY_ID = 2;
const STATUS_UNSUPPORTED = 1;
const STATUS_ABORT = 4;

/** A request under way. */
interface Sent {
  readonly path: TimedPath;
  /** Null: a message of ATS. */
  readonly route: Route | null;
  /** Whom a message concerns. */
  readonly device: FabricFunction | null;
  /** The address it was made with; the engine's differs for one that is refused. */
  readonly addr: number;
}

interface CapturedLink {
  readonly number: number;
  readonly direction: LinkDirection;
}

export class TlpRecorder implements TraceSink {
  readonly #machine: LabMachine;
  readonly #engine: TlpEngine;
  readonly #output: LimitedOutput;
  readonly #capture: TlpCapture;
  /** By stage; null: not a link. */
  readonly #links: (CapturedLink | null)[] = [];
  readonly #sent: Sent[] = [];
  /** Where the read of a tag ends, by source and tag. */
  readonly #ends = new Map<number, number>();
  /** Frames written. */
  packets = 0;

  /**
   * @param machine booted with the packet engine
   * @param write   takes pieces of the file in their order, and owns them
   */
  constructor(machine: LabMachine, write: (bytes: Uint8Array) => void, limitBytes: number) {
    this.#machine = machine;
    this.#engine = machine.fabric.timing!.engine as TlpEngine;
    this.#output = new LimitedOutput(write, limitBytes, () => machine.queue.nowPs);
    this.#capture = new TlpCapture(this.#output.write, {
      application: 'peerlane',
      comment: `lab ${machine.label}; payload bytes are not captured`,
    });
  }

  /** Whether packets are to be had from a machine: flows have none. */
  static canRecord(machine: LabMachine): boolean {
    return machine.fabric.timing?.engine instanceof TlpEngine;
  }

  get isFull(): boolean {
    return this.#output.isFull;
  }

  get fullPs(): number | null {
    return this.#output.fullPs;
  }

  get bytes(): number {
    return this.#output.bytes;
  }

  close(): void {
    this.#capture.close();
  }

  commandsOf(): CommandListener | null {
    return null;
  }

  onBegan(): void {}

  onIssued(): void {}

  onEnded(): void {}

  onSent(request: number, path: TimedPath, route: Route, addr: number): void {
    this.#sent[request] = { path, route, device: null, addr };
  }

  onMessage(request: number, path: TimedPath, device: FabricFunction): void {
    this.#sent[request] = { path, route: null, device, addr: 0 };
  }

  onOccupied(
    stageId: number,
    startPs: number,
    endPs: number,
    wireBytes: number,
    request: number,
    packetClass: number,
    addr: number,
    lengthBytes: number,
    tag: number,
  ): void {
    // Sent before anybody listened: nothing is known of it.
    const sent = request === NO_REQUEST ? undefined : this.#sent[request];
    if (sent === undefined || this.#output.isFull) {
      return;
    }
    if (packetClass === CLASS.NON_POSTED) {
      this.#ends.set(sent.path.source * TAGS_PER_SOURCE + tag, addr + lengthBytes);
    }
    const link = this.#linkOf(stageId);
    if (link === null) {
      return;
    }
    const { path } = sent;
    const leg = packetClass === CLASS.COMPLETION ? path.completion! : path.request;
    const position = leg.stages.findIndex(({ id }) => id === stageId);
    const splitBytes =
      packetClass === CLASS.NON_POSTED ? lengthBytes : Math.min(lengthBytes, leg.splitBytes[position]!);
    const pieces = Math.max(1, Math.ceil(lengthBytes / splitBytes));
    const credits = this.#engine.creditsOf(leg.stages[position]!);
    for (let piece = 0; piece < pieces; piece++) {
      const from = piece * splitBytes;
      const bytes = Math.min(splitBytes, lengthBytes - from);
      const durationPs = (endPs - startPs) / pieces;
      this.packets++;
      this.#capture.tlp(link.number, {
        direction: link.direction,
        startPs: startPs + piece * durationPs,
        endPs: startPs + (piece + 1) * durationPs,
        wireBytes: wireBytes / pieces,
        header: {
          ...this.#header(sent, packetClass, addr + from, bytes, tag),
          ...(leg.ecrc ? { hasDigest: true } : {}),
        },
        ...creditsLeft(credits, packetClass),
      });
    }
  }

  #header(sent: Sent, packetClass: number, addr: number, lengthBytes: number, tag: number): TlpFields {
    const { role } = sent.path;
    if (sent.route === null || role !== undefined) {
      return atsHeader(sent, packetClass, addr, tag & TAG_MASK);
    }
    const { parts, failure, completer } = sent.route;
    const { requesterId, shape } = parts;
    const attributes = shape.isRelaxed ? RELAXED_ORDERING : 0;
    if (packetClass !== CLASS.COMPLETION) {
      // What is refused is sent to where it was meant to go.
      const at = failure === null ? addr + (parts.sentStart - parts.start) : sent.addr;
      return {
        type: packetClass === CLASS.POSTED ? 'MWr' : 'MRd',
        requesterId,
        tag: packetClass === CLASS.POSTED ? 0 : tag & TAG_MASK,
        addressType: shape.addressType,
        attributes,
        addr: at,
        ...extent(at, lengthBytes),
      };
    }
    const end = this.#ends.get(sent.path.source * TAGS_PER_SOURCE + tag) ?? addr + lengthBytes;
    const common = {
      requesterId,
      tag: tag & TAG_MASK,
      completerId: completer?.routingId ?? (parts.root?.rootBusNumber ?? 0) << 8,
      attributes,
      byteCount: end - addr,
      lowerAddr: addr & 0x7f,
    };
    if (failure !== null) {
      const isAbort = failure.code === 'acs-violation' || failure.code === 'completer-abort';
      const completionStatus = isAbort ? STATUS_ABORT : STATUS_UNSUPPORTED;
      return { type: 'Cpl', lengthDw: 0, completionStatus, ...common };
    }
    return { type: 'CplD', lengthDw: extent(addr, lengthBytes).lengthDw, ...common };
  }

  #linkOf(stageId: number): CapturedLink | null {
    let link = this.#links[stageId];
    if (link === undefined) {
      const found = this.#machine.fabric
        .timing!.network.linkStages()
        .find(({ up, down }) => up.id === stageId || down.id === stageId);
      if (found === undefined) {
        link = null;
      } else {
        const number = this.#addLink(found);
        this.#links[found.up.id] = { number, direction: LINK_DIRECTION.UP };
        this.#links[found.down.id] = { number, direction: LINK_DIRECTION.DOWN };
        link = this.#links[stageId]!;
      }
      this.#links[stageId] = link;
    }
    return link;
  }

  #addLink({ port, generation, width, isFlit }: LinkStages): number {
    return this.#capture.addLink({
      domain: port.device.bus.hostBridge.domain,
      portId: port.routingId,
      generation,
      width,
      isFlitMode: isFlit,
      name: port.bdf,
    });
  }
}

/** What ATS sends. PCIe Base 6.0, 10.2.2, 10.2.3, 10.3.1, 10.3.2. */
function atsHeader({ path, route, device }: Sent, packetClass: number, addr: number, tag: number): TlpFields {
  const fn = device ?? route!.parts.requester!;
  const rootId = fn.device.bus.hostBridge.rootBusNumber << 8;
  switch (path.role) {
    case 'invalidate-request':
      return {
        type: 'MsgD',
        requesterId: rootId,
        lengthDw: 2,
        messageCode: INVALIDATE_REQUEST,
        messageRouting: BY_ID,
      };
    case 'invalidate-completion':
      return {
        type: 'Msg',
        requesterId: fn.requesterId,
        lengthDw: 0,
        messageCode: INVALIDATE_COMPLETION,
        messageRouting: BY_ID,
      };
    default:
      return packetClass === CLASS.COMPLETION
        ? { type: 'CplD', requesterId: fn.requesterId, completerId: rootId, tag, lengthDw: 2, byteCount: 8 }
        : {
            type: 'MRd',
            requesterId: fn.requesterId,
            tag,
            addressType: ADDRESS_TYPE.TRANSLATION_REQUEST,
            addr,
            lengthDw: 2,
          };
  }
}

/** Words and byte enables of a request for bytes. PCIe Base 6.0, 2.2.5. */
function extent(
  addr: number,
  lengthBytes: number,
): { readonly lengthDw: number; readonly firstEnables: number; readonly lastEnables: number } {
  const first = addr & 3;
  const lengthDw = Math.ceil((first + lengthBytes) / 4);
  const last = (first + lengthBytes) & 3;
  const lastMask = last === 0 ? 0xf : (1 << last) - 1;
  const firstMask = (0xf << first) & 0xf;
  return lengthDw === 1
    ? { lengthDw, firstEnables: firstMask & lastMask, lastEnables: 0 }
    : { lengthDw, firstEnables: firstMask, lastEnables: lastMask };
}

function creditsLeft(
  credits: { readonly headers: readonly number[]; readonly data: readonly number[] } | Credits | null,
  packetClass: number,
): { readonly headerCredits: number; readonly dataCredits: number } | Record<string, never> {
  return credits === null
    ? {}
    : { headerCredits: credits.headers[packetClass]!, dataCredits: credits.data[packetClass]! };
}
