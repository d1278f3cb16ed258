/**
 * Every ordered pair of one lab machine: what is predicted, what the kernel says, what happens. Throws `Disagreement` with
 * the lab file at the first pair where they part in a way that nobody listed.
 */
import { PeerlaneError } from '../../src/base/index.ts';
import type { FabricFunction, TlpKind } from '../../src/fabric/index.ts';
import { type LabMachine, printLab } from '../../src/lab/index.ts';
import {
  judge,
  type KernelVerdict,
  type MapType,
  type PeerSpan,
  type PhysicalRoutes,
  physicalRoutes,
  type SpanMapping,
} from '../../src/p2pdma/index.ts';
import { MachineIndex } from '../../src/topology/index.ts';
import {
  applyChange,
  bootBench,
  type Executed,
  endpointsOf,
  execute,
  functionOf,
  nameOf,
  type RequestName,
  type Target,
  targetOf,
} from './bench-lab.ts';
import { type Carried, type ClassName, classesOf } from './classes.ts';
import { isBlockedByAcs, judgeExecution } from './expectation.ts';
import { bridgesAbove, isSameSet, isTranslationBlocked, reversed, waysBetween } from './paths.ts';
import { labOf, type RandomLab } from './random-lab.ts';

/** Splits into packets of 256 and 128 bytes alike, and is no multiple of what ATS answers. */
const LENGTH_BYTES = 256;
const SPAN_BYTES = 4096;
const PAGE_RIGHTS = 3;

/** Codes with which mapping refuses; a kernel release between two whose rules differ leaves a verdict open. */
const REFUSALS: Readonly<Record<MapType, string>> = {
  'bus-addr': '',
  'thru-host-bridge': '',
  'not-supported': 'P2P_NO_ROUTE',
  unknown: 'P2P_ROUTE_UNKNOWN',
};

export class Disagreement extends Error {}

export interface Tally {
  labs: number;
  pairs: number;
  requests: number;
  mappings: number;
  /** Blocks that are no machine, by what is wrong with them. */
  readonly refusedLabs: Map<string, number>;
  readonly predictions: Map<string, number>;
  readonly verdicts: Map<string, number>;
  readonly classes: Map<ClassName, number>;
}

export function newTally(): Tally {
  return {
    labs: 0,
    pairs: 0,
    requests: 0,
    mappings: 0,
    refusedLabs: new Map(),
    predictions: new Map(),
    verdicts: new Map(),
    classes: new Map(),
  };
}

export function count<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** @returns false when the block is no machine. @throws {Disagreement} */
export function proveLab(random: RandomLab, tally: Tally): boolean {
  let lab: ReturnType<typeof labOf>;
  try {
    lab = labOf(random.block);
  } catch (error) {
    if (error instanceof PeerlaneError) {
      count(tally.refusedLabs, error.message);
      return false;
    }
    throw error;
  }
  new LabProof(bootBench(lab), random, tally).run();
  tally.labs++;
  return true;
}

interface Pair {
  readonly client: FabricFunction;
  readonly provider: FabricFunction;
  readonly target: Target;
  readonly routes: PhysicalRoutes;
  readonly verdict: KernelVerdict;
}

class LabProof {
  readonly #machine: LabMachine;
  readonly #random: RandomLab;
  readonly #tally: Tally;

  constructor(machine: LabMachine, random: RandomLab, tally: Tally) {
    this.#machine = machine;
    this.#random = random;
    this.#tally = tally;
  }

  run(): void {
    const machine = this.#machine;
    const all = endpointsOf(machine);
    const targets = all.flatMap((fn) => targetOf(fn) ?? []);
    for (const change of this.#random.changes) {
      applyChange(machine, change);
    }
    const index = new MachineIndex(machine.machine());
    for (const target of targets) {
      for (const client of all) {
        const [provider, to] = [nameOf(target.fn), nameOf(client)];
        if (index.find(provider) !== undefined && index.find(to) !== undefined) {
          this.#tally.pairs++;
          this.#pair({
            client,
            provider: target.fn,
            target,
            routes: physicalRoutes(index, provider, to),
            verdict: judge(index, machine.p2pdma.rules, provider, to),
          });
        }
      }
    }
  }

  #pair(pair: Pair): void {
    const isTranslated = this.#machine.lab.iommu.mode === 'translated';
    const unmapped = this.#requests(pair, isTranslated);
    const forced = isTranslated ? this.#withPage(pair, () => this.#requests(pair, false)) : unmapped;
    count(this.#tally.verdicts, pair.verdict.mapType);
    this.#mapping(pair, forced);
  }

  /** (a): a write and reads straight to the bus address of the BAR. */
  #requests(pair: Pair, isUnmapped: boolean): Record<RequestName, Executed> {
    const machine = this.#machine;
    const { client, provider, target, routes } = pair;
    const one = (what: RequestName): Executed => {
      const route = what === 'write' ? routes.write : routes.read;
      const watched = isBlockedByAcs(route) ? functionOf(machine, route.at!) : null;
      const executed = this.#execute(client, target, target.busAddress, 0, what, watched);
      const { kind, disagreement } = judgeExecution(
        {
          machine,
          client,
          provider,
          routes,
          what,
          isUnmapped,
          asksFirst: client.state.enablesAts && client !== provider,
          isAskingBlocked: isTranslationBlocked(client),
          canRelax: client.device.usesRelaxedOrdering && client.state.enablesRelaxedOrdering,
        },
        executed,
      );
      count(this.#tally.predictions, `${what}: ${kind}`);
      if (disagreement !== null || kind.includes('??')) {
        this.#disagree(pair, `${what} is predicted ${kind} (${route.detail}), but ${disagreement}`);
      }
      return executed;
    };
    return { write: one('write'), read: one('read'), 'relaxed-read': one('relaxed-read') };
  }

  /** ATS keeps a translation once it has it: the second request is the one that tells. */
  #execute(
    client: FabricFunction,
    target: Target,
    addr: number,
    at: number,
    what: RequestName,
    watched: FabricFunction | null = null,
  ): Executed {
    const send = (): Executed =>
      execute(this.#machine, client, target, addr, at, LENGTH_BYTES, what, watched);
    if (client.state.enablesAts) {
      send();
    }
    this.#tally.requests++;
    return send();
  }

  /** While the IOMMU has a page of the client's domain at the bus address that means the provider's memory. */
  #withPage<Result>({ client, target }: Pair, run: () => Result): Result {
    const machine = this.#machine;
    const { aliasId, hostBridge } = machine.platform.functionAt(nameOf(client))!.found;
    const domain = machine.iommu.domainOf(hostBridge.domain, aliasId)!;
    const lengthBytes = Math.min(target.lengthBytes, 2 * SPAN_BYTES);
    domain.map(target.busAddress, target.physAddress as never, lengthBytes, PAGE_RIGHTS);
    try {
      return run();
    } finally {
      domain.unmap(target.busAddress, lengthBytes);
    }
  }

  /** (b), (c) and (d): what the framework hands out, or that it hands out nothing. */
  #mapping(pair: Pair, forced: Record<RequestName, Executed>): void {
    const { p2pdma, platform, fabric } = this.#machine;
    const { client, provider, verdict } = pair;
    const own = p2pdma.ownProvider(nameOf(provider));
    if (own === undefined || own.sizeBytes === 0 || !platform.functionAt(nameOf(provider))!.isPresent) {
      return;
    }
    const clientFunction = platform.functionAt(nameOf(client))!;
    p2pdma.distance(nameOf(provider), nameOf(client), { isVerbose: false });
    const span = p2pdma.allocSpan(nameOf(provider), SPAN_BYTES);
    // Mapping looks whether the provider is still there, by its config space; nothing else may be on any link.
    const heard: TlpKind[] = [];
    fabric.listener = { onTlp: ({ kind }) => heard.push(kind) };
    let mapping: SpanMapping | null = null;
    let code = '';
    try {
      mapping = p2pdma.mapSpan(span, clientFunction);
    } catch (error) {
      if (!(error instanceof PeerlaneError)) {
        throw error;
      }
      code = error.code;
    }
    fabric.listener = null;
    const requests = heard.filter((kind) => !kind.startsWith('Cfg'));
    if (requests.length > 0) {
      this.#disagree(pair, `mapping sent ${requests.join(', ')}`);
    }
    this.#tally.mappings++;
    if (code !== REFUSALS[verdict.mapType]) {
      this.#disagree(
        pair,
        `the verdict is ${verdict.mapType}, and mapping says ${code === '' ? 'yes' : code}`,
      );
    }
    if (mapping !== null) {
      this.#mapped(pair, mapping.segments[0]!.addr, (span as PeerSpan).address - pair.target.physAddress);
      mapping.unmap();
    } else if (verdict.mapType === 'not-supported') {
      this.#compare(pair, forced.write, true, false);
      this.#compare(pair, forced.read, false, false);
    }
    span.close();
  }

  /** DMA to an address that the framework handed out for what lies at an offset of the BAR. */
  #mapped(pair: Pair, addr: number, at: number): void {
    const { client, provider, target, verdict } = pair;
    const isBusAddress = verdict.mapType === 'bus-addr';
    const isTranslated = this.#machine.lab.iommu.mode === 'translated';
    if (isBusAddress && addr !== target.busAddress + at) {
      this.#disagree(pair, `bus-addr, but ${addr.toString(16)} is not the address of the BAR's memory`);
    }
    const isUnmapped = isBusAddress && isTranslated;
    for (const what of ['write', 'read'] as const) {
      const executed = this.#execute(client, target, addr, at, what);
      // What nobody below the common node claims (decode off, asleep) goes up as any address does that is not there.
      if (isBusAddress && (executed.hasArrived || pair.provider.state.decodesMemory)) {
        this.#staysBelow(pair, executed);
      }
      // Nobody below the root complex knows an I/O virtual address, unless the client had it translated before.
      const knowsBetter = client.state.enablesAts || client.device.bus.kind === 'root';
      const carried = carriedBy(client, provider, executed, what === 'write');
      if (!isBusAddress && isTranslated && !knowsBetter && carried === 'directly') {
        this.#disagree(pair, 'an I/O virtual address was claimed below the root complex');
      }
      this.#compare(pair, executed, what === 'write', isUnmapped);
    }
  }

  /** (b): no payload above the common node, and none in DRAM. */
  #staysBelow(pair: Pair, { moved }: Executed): void {
    const { verdict } = pair;
    const above = bridgesAbove(pair.client);
    const at = above.findIndex((fn) => nameOf(fn) === verdict.common);
    const forbidden = new Set(above.slice(at + 1).map(({ bdf }) => bdf as string));
    const strays = [...moved.payload.keys()].filter((link) => forbidden.has(link.split(' ')[0]!));
    if (strays.length > 0 || moved.dramBytes > 0) {
      this.#disagree(
        pair,
        `bus-addr, but payload was on ${strays.join(', ')} and ${moved.dramBytes} bytes in DRAM`,
      );
    }
  }

  #compare(pair: Pair, executed: Executed, isWrite: boolean, isUnmapped: boolean): void {
    const { client, provider, verdict } = pair;
    const carried = carriedBy(client, provider, executed, isWrite);
    const classes = classesOf({
      machine: this.#machine,
      verdict,
      client,
      provider,
      isWrite,
      carried,
      isUnmapped,
    });
    if (classes === null) {
      this.#disagree(
        pair,
        `the kernel says ${verdict.mapType} (${verdict.rule}, ${verdict.redirects.join(' ')}), a ${
          isWrite ? 'write' : 'read'
        } was carried ${carried}, and no class explains it`,
      );
    }
    for (const name of new Set(classes)) {
      count(this.#tally.classes, name);
    }
  }

  #disagree({ client, provider, routes }: Pair, what: string): never {
    const { lab } = this.#machine;
    throw new Disagreement(
      [
        `provider ${nameOf(provider)}, client ${nameOf(client)}: ${what}`,
        `write ${JSON.stringify(routes.write)}`,
        `read  ${JSON.stringify(routes.read)}`,
        `changes after boot: ${JSON.stringify(this.#random.changes)}`,
        printLab(lab),
      ].join('\n'),
    );
  }
}

function carriedBy(
  client: FabricFunction,
  provider: FabricFunction,
  executed: Executed,
  isWrite: boolean,
): Carried {
  if (!executed.hasArrived) {
    return 'lost';
  }
  const { packets, payload } = executed.moved;
  const ways = waysBetween(client, provider);
  const lowest = ways[0]!;
  const isLowest = isWrite
    ? isSameSet(payload.keys(), lowest)
    : isSameSet(payload.keys(), reversed(lowest)) && isSameSet(packets, [...lowest, ...reversed(lowest)]);
  if (isLowest && (ways.length > 1 || client === provider)) {
    return 'directly';
  }
  const top = bridgesAbove(client).at(-1);
  return top === undefined || packets.has(`${top.bdf} up`) ? 'through the root' : 'turned by a port';
}
