// Stages and paths for tests of both engines: links with rates and acknowledgements of the closed forms, trees of switches.
import type { Access, Gate, Leg, TimedPath, TranslationStage } from '../../../../src/fabric/timing/path.ts';
import { type Credits, Stage, type StageOptions } from '../../../../src/fabric/timing/stage.ts';
import {
  ackLimitSymbols,
  completionOverheadBytes,
  DEFAULT_LATENCY,
  DLLP_BYTES,
  isFlitLink,
  type LinkSpeed,
  netGBs,
  rawGBs,
  requestOverheadBytes,
} from '../../../../src/rates/index.ts';

export const PIN_PS = DEFAULT_LATENCY.pinNs * 1000;
export const PROPAGATION_PS = DEFAULT_LATENCY.propagationNs * 1000;
export const SWITCH_PS = DEFAULT_LATENCY.switchNs * 1000;
export const BAR_PS = DEFAULT_LATENCY.barMemoryNs * 1000;
export const CACHE_PS = DEFAULT_LATENCY.cacheNs * 1000;
export const DRAM_PS = CACHE_PS + DEFAULT_LATENCY.dramNs * 1000;

/** All stages of a test, numbered. */
export class Net {
  readonly stages: Stage[] = [];

  add(options: StageOptions): Stage {
    const stage = new Stage(this.stages.length, options);
    this.stages.push(stage);
    return stage;
  }
}

/** Both directions of a link. `up` is towards the root. */
export interface Duplex {
  readonly up: Stage;
  readonly down: Stage;
  readonly speed: LinkSpeed;
}

export interface LinkOptions {
  /** Decides how often acknowledgements go back. Default 256. */
  readonly mpsBytes?: number;
  /** Default `symbol`. */
  readonly dllp?: 'symbol' | 'none';
  /** Default: none, that is never an obstacle. */
  readonly credits?: Credits | null;
  readonly creditReturnPs?: number;
  readonly bitErrorRate?: number;
}

/** Credits of posted packets alone. */
export function postedCredits(headers: number, dataUnits: number): Credits {
  const inf = Number.POSITIVE_INFINITY;
  return { headers: [headers, inf, inf], data: [dataUnits, inf, inf] };
}

export function makeLink(net: Net, speed: LinkSpeed, name: string, options: LinkOptions = {}): Duplex {
  const hasAcks = options.dllp !== 'none' && !isFlitLink(speed);
  const rest = {
    kind: 'link',
    occupancyPsPerByte: 1000 / netGBs(speed),
    latencyPsPerByte: 1000 / rawGBs(speed),
    credits: options.credits ?? null,
    creditReturnPs: options.creditReturnPs ?? 0,
    bitErrorRate: options.bitErrorRate ?? 0,
    ...(hasAcks
      ? {
          // One Ack and one UpdateFC a limit; the limit is in symbol times, a symbol time moves `width` bytes.
          ackEveryBytes: ackLimitSymbols(speed, options.mpsBytes ?? 256) * speed.width,
          ackBytes: 2 * DLLP_BYTES,
        }
      : {}),
  } as const;
  const up = net.add({ ...rest, name: `${name}, up` });
  const down = net.add({ ...rest, name: `${name}, down` });
  up.reverse = down;
  down.reverse = up;
  return { up, down, speed };
}

/** A stage that counts payload alone: memory, a root complex, a socket. */
export function makePayloadStage(
  net: Net,
  kind: 'memory' | 'root-complex' | 'socket',
  capacityGBs: number,
  name: string,
): Stage {
  return net.add({ kind, name, occupancyPsPerByte: 1000 / capacityGBs, latencyPsPerByte: 0 });
}

/** A device that makes at most so many packets a second. */
export function makeEngine(net: Net, packetsPerSecond: number, name: string): Stage {
  return net.add({
    kind: 'engine',
    name,
    occupancyPsPerByte: 0,
    latencyPsPerByte: 0,
    packetPs: 1e12 / packetsPerSecond,
  });
}

export interface LegOptions {
  /** Default: a switch between two links and pins at both ends. */
  readonly delaysPs?: readonly number[];
  readonly delayPs?: number;
  /** Of a packet on a link; other stages count payload alone. */
  readonly overheadBytes: number;
  readonly splitBytes?: readonly number[];
  readonly storesWhole?: boolean;
}

/** What stands behind stage `index` on an ordinary way: a switch between two links, pins at the end. */
function defaultDelayPs(stages: readonly Stage[], index: number): number {
  if (stages[index]!.kind !== 'link') {
    return 0;
  }
  const isLastLink = !stages.slice(index + 1).some((stage) => stage.kind === 'link');
  return PROPAGATION_PS + (isLastLink ? PIN_PS : SWITCH_PS);
}

export function makeLeg(stages: readonly Stage[], options: LegOptions): Leg {
  return {
    stages,
    delaysPs: options.delaysPs ?? stages.map((_, index) => defaultDelayPs(stages, index)),
    delayPs: options.delayPs ?? PIN_PS,
    overheadBytes: stages.map((stage) => (stage.kind === 'link' ? options.overheadBytes : 0)),
    splitBytes: options.splitBytes ?? stages.map(() => Number.POSITIVE_INFINITY),
    storesWhole: stages.map(() => options.storesWhole ?? false),
  };
}

export interface PathOptions {
  readonly source: number;
  /** Default 256 for writes, 512 for reads. */
  readonly requestBytes?: number;
  /** Default 256. */
  readonly completionBytes?: number;
  /** Default: a 4DW header, framed. */
  readonly requestOverhead?: number;
  readonly completionOverhead?: number;
  readonly access?: Access;
  /** Default: no limit. */
  readonly tags?: number;
  readonly waitsForPosted?: boolean;
  readonly gate?: Gate;
  readonly storesWhole?: boolean;
  readonly translation?: TranslationStage;
  readonly translationAt?: number;
  /** Replaces the delays of both legs: one number a stage, nothing before the first. */
  readonly delaysPs?: readonly number[];
  readonly backDelaysPs?: readonly number[];
  readonly delayPs?: number;
  /** Of the request leg. */
  readonly splitBytes?: readonly number[];
}

function makePath(
  isWrite: boolean,
  there: readonly Stage[],
  back: readonly Stage[] | null,
  options: PathOptions,
): TimedPath {
  const shared = {
    ...(options.delayPs === undefined ? {} : { delayPs: options.delayPs }),
    storesWhole: options.storesWhole ?? false,
  };
  return {
    isWrite,
    requestBytes: options.requestBytes ?? (isWrite ? 256 : 512),
    completionBytes: options.completionBytes ?? 256,
    request: makeLeg(there, {
      ...shared,
      overheadBytes: options.requestOverhead ?? requestOverheadBytes(),
      ...(options.delaysPs === undefined ? {} : { delaysPs: options.delaysPs }),
      ...(options.splitBytes === undefined ? {} : { splitBytes: options.splitBytes }),
    }),
    completion:
      back === null
        ? null
        : makeLeg(back, {
            ...shared,
            overheadBytes: options.completionOverhead ?? completionOverheadBytes(),
            ...(options.backDelaysPs === undefined ? {} : { delaysPs: options.backDelaysPs }),
          }),
    access: options.access ?? { latencyPs: 0 },
    translation: options.translation ?? null,
    translationAt: options.translationAt ?? there.length,
    source: options.source,
    limits: {
      tags: options.tags ?? Number.POSITIVE_INFINITY,
      waitsForPosted: options.waitsForPosted ?? false,
    },
    gate: options.gate ?? null,
  };
}

/** A write over `stages`, sender first. */
export function writePath(stages: readonly Stage[], options: PathOptions): TimedPath {
  return makePath(true, stages, null, options);
}

/** A read: its requests over `there`, its data over `back`, each in the order in which they are passed. */
export function readPath(there: readonly Stage[], back: readonly Stage[], options: PathOptions): TimedPath {
  return makePath(false, there, back, options);
}

/** A switch, the root complex (no parent), or an endpoint. */
export interface TreeNode {
  readonly name: string;
  readonly parent: TreeNode | null;
  /** Towards the parent; null at the root. */
  readonly link: Duplex | null;
}

/** A tree of links below one root complex. */
export class Tree {
  readonly net: Net;
  readonly root: TreeNode = { name: 'root', parent: null, link: null };

  constructor(net: Net) {
    this.net = net;
  }

  add(parent: TreeNode, speed: LinkSpeed, name: string, options: LinkOptions = {}): TreeNode {
    return { name, parent, link: makeLink(this.net, speed, name, options) };
  }

  /** Stages from one node to another over the nearest common ancestor. */
  route(from: TreeNode, to: TreeNode): Stage[] {
    const above = new Set<TreeNode>();
    for (let node: TreeNode | null = to; node !== null; node = node.parent) {
      above.add(node);
    }
    const ups: Stage[] = [];
    let node = from;
    while (!above.has(node)) {
      ups.push(node.link!.up);
      node = node.parent!;
    }
    const downs: Stage[] = [];
    for (let at = to; at !== node; at = at.parent!) {
      downs.unshift(at.link!.down);
    }
    return [...ups, ...downs];
  }

  write(from: TreeNode, to: TreeNode, options: PathOptions): TimedPath {
    return writePath(this.route(from, to), options);
  }

  read(from: TreeNode, to: TreeNode, options: PathOptions): TimedPath {
    return readPath(this.route(from, to), this.route(to, from), options);
  }
}
