/**
 * The stages of a machine: one for each direction of each link, for what its root complexes pass between their ports, for
 * the links between sockets, for the memory of each node, and for the engines of devices that have limits of their own.
 *
 * Stages are made when the first route needs them, from what config space shows of the link then.
 */
import { assert } from '../../base/index.ts';
import {
  ackLimitSymbols,
  type BurstTiming,
  type DeviceTiming,
  DLLP_BYTES,
  dramUsableGBs,
  flitNs,
  generationOf,
  isFlitLink,
  type LinkSpeed,
  netGBs,
  type PlatformTiming,
  rawGBs,
  readEngine,
  writeEngine,
} from '../../rates/index.ts';
import { linkNow } from '../config/index.ts';
import type { Bus } from '../tree/bus.ts';
import type { Fabric } from '../tree/fabric.ts';
import type { FabricFunction } from '../tree/fabric-function.ts';
import type { HostBridge } from '../tree/host-bridge.ts';
import type { Link, LinkDirection } from '../tree/link.ts';
import { CREDIT_UNIT_BYTES, type Credits, Stage, type StageOptions } from './stage.ts';

/** What a lab says of one port or switch; null or missing: by the platform. */
export interface PortTiming {
  /** Pin to pin, of the switch that the port belongs to. */
  readonly latencyNs?: number | null;
  readonly storesWhole?: boolean | null;
  readonly credits?: CreditCounts | null;
  readonly weight?: number | null;
  readonly bitErrorRate?: number | null;
}

/** Receive buffers of a port; null: enough for the link. */
export interface CreditCounts {
  readonly postedHeaders: number | null;
  readonly postedData: number | null;
  readonly nonPostedHeaders: number | null;
  readonly completionHeaders: number | null;
  readonly completionData: number | null;
}

export interface TimingOptions {
  readonly platform: PlatformTiming;
  readonly storesWhole?: boolean;
  readonly credits?: CreditCounts | null;
  readonly bitErrorRate?: number;
  /** Of a port, or of the upstream port of a switch. */
  readonly port?: (fn: FabricFunction) => PortTiming | undefined;
  readonly endpoint?: (fn: FabricFunction) => DeviceTiming | undefined;
  /** Socket of a NUMA node. Default: all are one. */
  readonly socketOf?: (numaNode: number) => number;
  /** NUMA nodes of the machine. Default 1. */
  readonly nodeCount?: number;
}

/** A link that has carried something. */
export interface LinkStages {
  readonly port: FabricFunction;
  readonly up: Stage;
  readonly down: Stage;
  /** `Gen3 x4`. */
  readonly speed: string;
  /** Both 0 of a conventional bus. */
  readonly generation: number;
  readonly width: number;
  readonly isFlit: boolean;
}

const PS_PER_NS = 1000;
/** Buffers inside a root complex or a device, in packets: they only hand on. */
const INTERNAL_CREDITS: Credits = {
  headers: [32, 32, 32],
  data: [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
};
/** From a packet leaving a receive buffer until the sender knows: the UpdateFC's processing at both ends. */
const CREDIT_UPDATE_NS = 60;
/** Credits by default last for the loop twice over. */
const CREDIT_MARGIN = 2;
/** Bytes a nanosecond of a conventional bus: 32 bits at 33 MHz. */
const CONVENTIONAL_GBS = 0.133;
const LARGEST_PAYLOAD_BYTES = 4096;

export class Network {
  readonly options: TimingOptions;
  readonly stages: Stage[] = [];
  readonly #fabric: Fabric;
  readonly #links = new Map<Link, { readonly up: Stage; readonly down: Stage; readonly speed: LinkSpeed }>();
  readonly #buses = new Map<Link, Bus>();
  readonly #named = new Map<string, Stage>();
  #epoch = -1;

  constructor(fabric: Fabric, options: TimingOptions) {
    this.#fabric = fabric;
    this.options = options;
  }

  get platform(): PlatformTiming {
    return this.options.platform;
  }

  /** The stage of one direction of a link. */
  linkStage(direction: LinkDirection): Stage {
    const pair = this.#links.get(direction.link) ?? this.#makeLink(direction.link);
    return direction.isUp ? pair.up : pair.down;
  }

  /** Rate and width that a link came up with. */
  linkSpeed(link: Link): LinkSpeed {
    return (this.#links.get(link) ?? this.#makeLink(link)).speed;
  }

  /** Links that have carried something, with the port above each. */
  linkStages(): readonly LinkStages[] {
    return [...this.#links].map(([link, { up, down, speed }]) => {
      const bus = this.busOf(link);
      const isConventional = bus.kind === 'conventional';
      const generation = isConventional ? 0 : generationOf(speed.speedGTs);
      return {
        port: bus.bridge!,
        up,
        down,
        speed: isConventional ? 'PCI' : `Gen${generation} x${speed.width}`,
        generation,
        width: isConventional ? 0 : speed.width,
        isFlit: !isConventional && isFlitLink(speed),
      };
    });
  }

  /** A stage that is not a link, made at its first use. */
  named(key: string, options: () => StageOptions): Stage {
    let stage = this.#named.get(key);
    if (stage === undefined) {
      stage = this.#add(options());
      this.#named.set(key, stage);
    }
    return stage;
  }

  /** The bus that a link carries. */
  busOf(link: Link): Bus {
    if (this.#epoch !== this.#fabric.epoch || !this.#buses.has(link)) {
      this.#epoch = this.#fabric.epoch;
      for (const fn of this.#fabric.functions()) {
        const bus = fn.secondaryBus;
        if (bus?.link != null) {
          this.#buses.set(bus.link, bus);
        }
      }
    }
    const bus = this.#buses.get(link);
    assert(bus !== undefined, 'a route runs over a link that no bridge has');
    return bus;
  }

  socketOf(hostBridge: HostBridge): number {
    return this.socketOfNode(hostBridge.numaNode ?? 0);
  }

  socketOfNode(numaNode: number): number {
    return this.options.socketOf?.(numaNode) ?? 0;
  }

  /** A node's part of the memory channels of its socket. */
  memoryShare(numaNode: number): number {
    const { nodeCount } = this.options;
    const socket = this.socketOfNode(numaNode);
    let nodes = 0;
    for (let node = 0; node < (nodeCount ?? 1); node++) {
      nodes += this.socketOfNode(node) === socket ? 1 : 0;
    }
    return 1 / Math.max(1, nodes);
  }

  /** All the memory of a node. */
  memory(numaNode: number): Stage {
    return this.named(`memory ${numaNode}`, () => {
      const gbs = dramUsableGBs(this.platform.memory, 0.5) * this.memoryShare(numaNode);
      return {
        kind: 'memory',
        name: `memory of node ${numaNode}`,
        occupancyPsPerByte: PS_PER_NS / gbs,
        latencyPsPerByte: 0,
      };
    });
  }

  /** One direction between two sockets: to memory, or between devices, which get less. */
  socketLink(from: number, to: number, isPeer = false): Stage {
    const { linkGBs, peerGBs } = this.platform.socket;
    return this.named(`socket ${from} ${to} ${isPeer}`, () => ({
      kind: 'socket',
      name: `link from socket ${from} to socket ${to}${isPeer ? ', between devices' : ''}`,
      occupancyPsPerByte: PS_PER_NS / (isPeer ? peerGBs : linkGBs),
      latencyPsPerByte: 0,
      credits: INTERNAL_CREDITS,
    }));
  }

  /** Everything of one kind that a root complex passes between its ports. */
  peerLimit(root: HostBridge, kind: 'writes' | 'reads', gbs: number): Stage {
    return this.named(`root ${root.name} ${kind}`, () => ({
      kind: 'root-complex',
      name: `peer ${kind} of root complex ${root.name}`,
      occupancyPsPerByte: PS_PER_NS / gbs,
      latencyPsPerByte: 0,
      credits: INTERNAL_CREDITS,
    }));
  }

  /** What a root port moves to and from host memory, both ways together; null where one way does not disturb the other. */
  rootBothWays(direction: LinkDirection): Stage | null {
    const { hostBothWaysShare: share } = this.platform;
    const link = this.linkStage(direction);
    return share >= 1
      ? null
      : this.named(`both ways of the link of ${this.busOf(direction.link).bridge!.bdf}`, () => ({
          kind: 'root-complex',
          name: `root port ${this.busOf(direction.link).bridge!.bdf}, both ways`,
          occupancyPsPerByte: link.occupancyPsPerByte / (2 * share),
          latencyPsPerByte: 0,
          credits: INTERNAL_CREDITS,
        }));
  }

  /** What passes from one root port to another, at a share of the narrower link. */
  peerShare(from: Stage, to: Stage, share: number): Stage {
    return this.named(`share ${from.id} ${to.id} ${share}`, () => ({
      kind: 'root-complex',
      name: `root complex, ${from.name} to ${to.name}`,
      occupancyPsPerByte: Math.max(from.occupancyPsPerByte, to.occupancyPsPerByte) / share,
      latencyPsPerByte: 0,
      credits: INTERNAL_CREDITS,
    }));
  }

  /**
   * The engine of an endpoint where it limits, by its cost a packet and a byte on the wire; null where it does not.
   * @param link its own, whose net rate efficiencies are shares of
   */
  engine(
    fn: FabricFunction,
    timing: DeviceTiming,
    isWrite: boolean,
    payloadBytes: number,
    link: LinkSpeed | null,
  ): Stage | null {
    const net = link === null ? Number.POSITIVE_INFINITY : netGBs(link);
    const occupancy = isWrite
      ? writeEngine(timing, net, payloadBytes)
      : readEngine(timing, net, payloadBytes);
    return occupancy === null
      ? null
      : this.named(`engine ${fn.bdf} ${isWrite ? 'writes' : 'reads'} ${payloadBytes}`, () => ({
          kind: 'engine',
          name: `${isWrite ? 'write' : 'read'} engine of ${fn.model?.name ?? fn.bdf}`,
          occupancyPsPerByte: occupancy.nsPerWireByte * PS_PER_NS,
          latencyPsPerByte: 0,
          packetPs: occupancy.packetNs * PS_PER_NS,
          credits: { ...INTERNAL_CREDITS, headers: [4, 4, 4] },
        }));
  }

  /** What the memory behind the BARs of a function gives to those who read it. */
  memoryReads(fn: FabricFunction, gbs: number): Stage {
    return this.named(`memory reads ${fn.bdf}`, () => ({
      kind: 'engine',
      name: `reads of the memory of ${fn.model?.name ?? fn.bdf}`,
      occupancyPsPerByte: PS_PER_NS / gbs,
      latencyPsPerByte: 0,
      credits: INTERNAL_CREDITS,
    }));
  }

  /** What makes bursts of an endpoint's writes, or of what it reads. */
  bursts(fn: FabricFunction, bursts: BurstTiming, isWrite: boolean): Stage {
    const way = isWrite ? 'write' : 'read';
    return this.named(`${way} bursts ${fn.bdf}`, () => ({
      kind: 'engine',
      name: `${way} bursts of ${fn.model?.name ?? fn.bdf}`,
      occupancyPsPerByte: bursts.nsPerByte * PS_PER_NS,
      latencyPsPerByte: 0,
      packetPs: bursts.burstNs * PS_PER_NS,
      requestPs: bursts.transferNs * PS_PER_NS,
      credits: { ...INTERNAL_CREDITS, headers: [64, 64, 64] },
    }));
  }

  /** What an endpoint moves to and from host memory, both ways together; null where one does not disturb the other. */
  bothWays(fn: FabricFunction, timing: DeviceTiming, link: LinkSpeed | null): Stage | null {
    const share = timing.hostBothWaysShare;
    return share >= 1 || link === null
      ? null
      : this.named(`both ways ${fn.bdf}`, () => ({
          kind: 'engine',
          name: `copy engines of ${fn.model?.name ?? fn.bdf}, both ways`,
          occupancyPsPerByte: PS_PER_NS / (2 * share * netGBs(link)),
          latencyPsPerByte: 0,
          credits: { ...INTERNAL_CREDITS, headers: [4, 4, 4] },
        }));
  }

  #add(options: StageOptions): Stage {
    const stage = new Stage(this.stages.length, options);
    this.stages.push(stage);
    return stage;
  }

  #makeLink(link: Link): { readonly up: Stage; readonly down: Stage; readonly speed: LinkSpeed } {
    const bus = this.busOf(link);
    const port = bus.bridge!;
    const below = bus.devices[0]?.lowestFunction;
    const speed = linkNow(port.config) ?? (below === undefined ? null : linkNow(below.config));
    const pair =
      bus.kind === 'conventional' || speed === null
        ? this.#conventional(port)
        : this.#express(port, below, speed);
    pair.up.reverse = pair.down;
    pair.down.reverse = pair.up;
    this.#links.set(link, pair);
    return pair;
  }

  #conventional(port: FabricFunction): { up: Stage; down: Stage; speed: LinkSpeed } {
    const make = (way: string): Stage =>
      this.#add({
        kind: 'link',
        name: `bus below ${port.bdf}, ${way}`,
        occupancyPsPerByte: PS_PER_NS / CONVENTIONAL_GBS,
        latencyPsPerByte: PS_PER_NS / CONVENTIONAL_GBS,
        credits: INTERNAL_CREDITS,
      });
    return { up: make('up'), down: make('down'), speed: { speedGTs: 2.5, width: 1 } };
  }

  #express(
    port: FabricFunction,
    below: FabricFunction | undefined,
    speed: LinkSpeed,
  ): { up: Stage; down: Stage; speed: LinkSpeed } {
    const { latency, dllpModel } = this.platform;
    const net = netGBs(speed);
    const raw = rawGBs(speed);
    const isFlit = isFlitLink(speed);
    const mpsBytes = Math.max(128, below?.state.maxPayloadBytes ?? port.state.maxPayloadBytes);
    // What comes down is received by the device below, what goes up by the port.
    const make = (isUp: boolean): Stage => {
      const receiver = isUp ? port : below;
      const timing = receiver === undefined ? undefined : this.options.port?.(receiver);
      const forwardNs = timing?.latencyNs ?? latency.switchNs;
      const loopNs =
        forwardNs +
        2 * latency.propagationNs +
        CREDIT_UPDATE_NS +
        LARGEST_PAYLOAD_BYTES / raw +
        2 * latency.pinNs;
      const symbols = ackLimitSymbols(speed, mpsBytes);
      const isPessimistic = dllpModel === 'pciebench';
      return this.#add({
        kind: 'link',
        name: `link of ${port.bdf}, ${isUp ? 'up' : 'down'}`,
        // The pessimistic model takes its share of both directions, with traffic or without.
        occupancyPsPerByte:
          PS_PER_NS / (isPessimistic && !isFlit ? net - (raw * 2 * DLLP_BYTES) / symbols : net),
        latencyPsPerByte: PS_PER_NS / (isFlit ? net : raw),
        credits: creditsOf(
          timing?.credits ?? this.options.credits ?? null,
          net * loopNs * CREDIT_MARGIN,
          mpsBytes,
        ),
        creditReturnPs: (CREDIT_UPDATE_NS + latency.propagationNs) * PS_PER_NS,
        ackEveryBytes: dllpModel !== 'symbol' || isFlit ? Number.POSITIVE_INFINITY : symbols * speed.width,
        ackBytes: 2 * DLLP_BYTES,
        bitErrorRate: timing?.bitErrorRate ?? this.options.bitErrorRate ?? 0,
        replayPs: 2 * (latency.propagationNs + latency.pinNs) * PS_PER_NS,
        flitPs: flitNs(speed) * PS_PER_NS,
        weight: timing?.weight ?? 1,
      });
    };
    return { up: make(true), down: make(false), speed };
  }
}

/** Buffers that hold `bytes` of packets of 64 bytes and more, where the lab says nothing else. */
function creditsOf(counts: CreditCounts | null, bytes: number, mpsBytes: number): Credits {
  const headers = Math.max(32, Math.ceil(bytes / 64));
  const units = Math.max(
    (2 * LARGEST_PAYLOAD_BYTES) / CREDIT_UNIT_BYTES,
    Math.ceil(bytes / CREDIT_UNIT_BYTES),
  );
  // A receiver has to have room for one packet of the largest payload. PCIe Base 6.0, 2.6.1.
  const least = Math.ceil(mpsBytes / CREDIT_UNIT_BYTES);
  const data = (said: number | null | undefined): number => Math.max(least, said ?? units);
  return {
    headers: [
      counts?.postedHeaders ?? headers,
      counts?.nonPostedHeaders ?? headers,
      counts?.completionHeaders ?? headers,
    ],
    data: [data(counts?.postedData), Number.POSITIVE_INFINITY, data(counts?.completionData)],
  };
}
