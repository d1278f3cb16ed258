/**
 * From a route to its timed path: which stages a request and its completions pass, and what lies between them.
 *
 * Latencies are those of the timing model: from a sender to its pins, over a link, through a switch or a root complex from pin to
 * pin, from the pins to a completer, and what that one's memory takes.
 */
import { type DeviceTiming, isFlitLink, type LinkSpeed, needs64BitHeader } from '../../rates/index.ts';
import { DEVICE_CONTROL } from '../../spec/pcie/index.ts';
import { TRAFFIC, type Traffic } from '../model.ts';
import { ADDRESS_TYPE } from '../routing/acs.ts';
import { ROUTE_KIND, type Route } from '../routing/route.ts';
import type { FabricFunction } from '../tree/fabric-function.ts';
import type { HostBridge } from '../tree/host-bridge.ts';
import type { LinkDirection } from '../tree/link.ts';
import { LegDraft, legKey } from './leg-draft.ts';
import type { Network } from './network.ts';
import type { Gate, Leg, TimedPath, TranslationStage } from './path.ts';
import type { Stage } from './stage.ts';

/** Device Control has 8 bits of tag, or 5. PCIe Base 6.0, 2.2.6.2. */
const TAGS_EXTENDED = 256;
const TAGS_PLAIN = 32;
/** What a bridge that forwards few reads at a time forwards at most of each. */
const GATED_READ_BYTES = 256;
const PS_PER_NS = 1000;
/** Source of the processor. */
export const CPU_SOURCE = 0;

export class PathBuilder {
  /** Command data in host memory is found in the last level cache. Queue entries always are. */
  isDataCached = false;
  readonly #network: Network;
  readonly #translationOfRoot: ((root: HostBridge) => TranslationStage) | null;
  readonly #byRoute = new WeakMap<Route, [data: TimedPath | null, control: TimedPath | null]>();
  readonly #byShape = new Map<string, TimedPath>();
  readonly #sources = new Map<FabricFunction, number>();
  readonly #gates = new Map<string, Gate>();
  /** Sources whose requests are translated, by domain and what the IOMMU sees as their requester. */
  readonly #translated = new Map<number, Set<number>>();
  readonly #limits = new Map<number, { readonly tags: number; readonly waitsForPosted: boolean }>();

  /** @param translationOf the IOMMU in front of a root complex; null: none is modelled */
  constructor(network: Network, translationOf: ((root: HostBridge) => TranslationStage) | null) {
    this.#network = network;
    this.#translationOfRoot = translationOf;
  }

  get network(): Network {
    return this.#network;
  }

  /** Sources whose requests reach the IOMMU under a requester id. */
  sourcesBehind(domain: number, requesterId: number): Iterable<number> {
    return this.#translated.get(domain * 0x1_0000 + requesterId) ?? [];
  }

  /** The path of requests that take a route; the same object for routes that are alike. */
  pathOf(route: Route, traffic: Traffic): TimedPath {
    let pair = this.#byRoute.get(route);
    if (pair === undefined) {
      pair = [null, null];
      this.#byRoute.set(route, pair);
    }
    let path = pair[traffic];
    if (path === null) {
      path = this.#build(route, traffic);
      pair[traffic] = path;
    }
    return path;
  }

  /** The function that a source number stands for; undefined for the processor. */
  functionOf(source: number): FabricFunction | undefined {
    for (const [fn, number] of this.#sources) {
      if (number === source) {
        return fn;
      }
    }
    return undefined;
  }

  /** The number of a function as a source of requests. */
  sourceOf(fn: FabricFunction | null): number {
    if (fn === null) {
      return CPU_SOURCE;
    }
    let source = this.#sources.get(fn);
    if (source === undefined) {
      source = this.#sources.size + 1;
      this.#sources.set(fn, source);
    }
    return source;
  }

  #build(route: Route, traffic: Traffic): TimedPath {
    const { parts } = route;
    const { requester, shape } = parts;
    const own = requester === null ? undefined : this.#network.options.endpoint?.(requester);
    const completerTiming =
      route.completer === null ? undefined : this.#network.options.endpoint?.(route.completer);
    const { isWrite } = shape;
    const gate = isWrite ? null : this.#gateOf(route);
    const { cpu, completion: answers } = this.#network.platform;
    const payloadBytes = Math.min(route.payloadBytes, own?.payloadBytes ?? route.payloadBytes);
    const requestBytes = isWrite
      ? payloadBytes
      : Math.min(
          route.readRequestBytes,
          own?.readRequestBytes ?? route.readRequestBytes,
          requester === null ? cpu.mmioLoadBytes : Number.POSITIVE_INFINITY,
          gate === null ? Number.POSITIVE_INFINITY : GATED_READ_BYTES,
        );
    const completionBytes = Math.min(
      route.payloadBytes,
      route.readRequestBytes,
      completerTiming?.payloadBytes ?? Number.POSITIVE_INFINITY,
    );
    const isHost = parts.numaNode !== null;
    const small = isHost && !isWrite ? answers : { smallRequestBytes: 0, smallChunkBytes: 0 };
    const source = this.sourceOf(requester);
    const limits = this.limitsOf(source, requester, own, isWrite);
    const request = this.#requestLeg(route, own, traffic, payloadBytes);
    const completion = isWrite ? null : this.#completionLeg(route, own, completionBytes, traffic);
    const access = { latencyPs: this.#accessNs(route, completerTiming, traffic) * PS_PER_NS };
    const { translation, at } = this.#translationOf(route, request);
    const engine = completion?.stages.at(-1);
    const drainPsPerByte =
      !isWrite && traffic === TRAFFIC.DATA && own?.drainsReads === true && engine?.kind === 'engine'
        ? engine.occupancyPsPerByte
        : 0;
    const key = [
      source,
      drainPsPerByte,
      isWrite ? 1 : 0,
      requestBytes,
      completionBytes,
      small.smallRequestBytes,
      access.latencyPs,
      at,
      gate?.name ?? '',
      legKey(request),
      completion === null ? '' : legKey(completion),
    ].join(' ');
    let path = this.#byShape.get(key);
    if (path === undefined) {
      path = {
        isWrite,
        requestBytes,
        completionBytes,
        smallRequestBytes: small.smallRequestBytes,
        smallCompletionBytes: small.smallChunkBytes,
        drainPsPerByte,
        request,
        completion,
        access,
        translation,
        translationAt: at,
        source,
        limits,
        gate,
      };
      this.#byShape.set(key, path);
    }
    return path;
  }

  limitsOf(
    source: number,
    requester: FabricFunction | null,
    own: DeviceTiming | undefined,
    isWrite: boolean,
  ): TimedPath['limits'] {
    const key = source * 2 + (isWrite ? 1 : 0);
    let limits = this.#limits.get(key);
    if (limits === undefined) {
      const isStrict = isWrite && own?.isStrict === true && !this.#network.platform.peers.pipelinedPosted;
      limits = {
        tags:
          requester === null
            ? this.#network.platform.cpu.mmioLoadsInFlight
            : (own?.tags ?? tagsOf(requester)),
        waitsForPosted: isStrict,
      };
      this.#limits.set(key, limits);
    }
    return limits;
  }

  #requestLeg(route: Route, own: DeviceTiming | undefined, traffic: Traffic, payloadBytes: number): Leg {
    const { parts } = route;
    const { requester, shape, requestLinks } = parts;
    const network = this.#network;
    const { latency, mmioNs } = network.platform;
    const leg = new LegDraft(
      needs64BitHeader(parts.sentStart) ? 64 : 32,
      false,
      this.addsEcrc(requester, requestLinks[0]),
    );
    const startNs = traffic === TRAFFIC.DATA ? (own?.startNs ?? 0) : 0;
    leg.delayNs = latency.pinNs + (requester === null ? mmioNs : startNs);
    // Reads pass their engine with what comes back; on the way out only their number counts.
    if (requester !== null && own !== undefined && shape.isWrite && traffic === TRAFFIC.DATA) {
      const first = this.#speedOf(requestLinks[0]);
      this.#engines(leg, route, network.engine(requester, own, true, payloadBytes, first), own, first);
      if (own.writeBursts !== null) {
        leg.bursts(network.bursts(requester, own.writeBursts, true), own.writeBursts.burstBytes);
      }
    }
    this.overLinks(leg, requestLinks, route, shape.isWrite);
    if (parts.numaNode !== null && shape.isWrite) {
      this.#bothWays(leg, requestLinks.at(-1));
      this.#toMemory(leg, route, parts.numaNode);
    }
    return leg.finish();
  }

  #completionLeg(route: Route, own: DeviceTiming | undefined, chunkBytes: number, traffic: Traffic): Leg {
    const { parts } = route;
    const { requester, completionLinks } = parts;
    const network = this.#network;
    const { latency, mmioNs } = network.platform;
    const leg = new LegDraft(32, true, this.addsEcrc(route.completer, completionLinks[0]));
    if (parts.numaNode !== null) {
      leg.stage(network.memory(parts.numaNode), 0);
      this.#overSockets(leg, route, parts.numaNode, true);
      this.#bothWays(leg, completionLinks[0]);
    } else if (route.completer !== null && traffic === TRAFFIC.DATA) {
      const gbs = network.options.endpoint?.(route.completer)?.memoryReadGBs ?? null;
      if (gbs !== null) {
        leg.stage(network.memoryReads(route.completer, gbs), 0);
      }
    }
    leg.addDelay(latency.pinNs);
    this.overLinks(leg, completionLinks, route, true);
    if (requester === null) {
      leg.addDelay(mmioNs);
    } else if (own !== undefined && traffic === TRAFFIC.DATA) {
      const last = this.#speedOf(completionLinks.at(-1));
      this.#engines(leg, route, network.engine(requester, own, false, chunkBytes, last), own, last);
      if (own.readBursts !== null) {
        leg.bursts(network.bursts(requester, own.readBursts, false), own.readBursts.burstBytes);
      }
    }
    return leg.finish();
  }

  /** Whether who sends adds an end-to-end checksum; for host memory and the processor the root port does. */
  addsEcrc(sender: FabricFunction | null, first: LinkDirection | undefined): boolean {
    const maker = sender ?? (first === undefined ? null : this.#network.busOf(first.link).bridge);
    return maker?.state.generatesEcrc === true;
  }

  /** Between the memory of the host and the link of a root port. */
  #bothWays(leg: LegDraft, direction: LinkDirection | undefined): void {
    const both = direction === undefined ? null : this.#network.rootBothWays(direction);
    if (both !== null) {
      leg.engine(both);
    }
  }

  #speedOf(direction: LinkDirection | undefined): LinkSpeed | null {
    return direction === undefined ? null : this.#network.linkSpeed(direction.link);
  }

  #engines(
    leg: LegDraft,
    route: Route,
    engine: Stage | null,
    own: DeviceTiming,
    link: LinkSpeed | null,
  ): void {
    if (engine !== null) {
      leg.engine(engine);
    }
    const { numaNode, requester } = route.parts;
    const both = numaNode === null ? null : this.#network.bothWays(requester!, own, link);
    if (both !== null) {
      leg.engine(both);
    }
  }

  /**
   * Links in order, and what is between them.
   * @param route null: they lead no further than to the root complex or from it
   * @param carriesData the leg that has the payload
   */
  overLinks(leg: LegDraft, links: readonly LinkDirection[], route: Route | null, carriesData: boolean): void {
    const network = this.#network;
    const { latency, turnNs } = network.platform;
    for (const [index, direction] of links.entries()) {
      const next = links[index + 1];
      const top = network.busOf(direction.link).bridge!;
      leg.link(network.linkStage(direction), isFlitLink(network.linkSpeed(direction.link)));
      leg.addDelay(latency.propagationNs);
      if (next === undefined) {
        leg.addDelay(latency.pinNs);
      } else if (route !== null && direction.isUp && top.kind === 'root-port') {
        leg.addDelay(turnNs);
        // What was translated comes down with the address of the BAR.
        leg.addressed(barAddress(route) ?? route.start);
        if (carriesData) {
          this.#throughRoot(leg, direction, next, route);
        }
      } else {
        this.#throughSwitch(leg, direction, next);
      }
    }
    if (links.length === 0) {
      leg.delayNs += latency.pinNs;
    }
  }

  #throughSwitch(leg: LegDraft, direction: LinkDirection, next: LinkDirection): void {
    const network = this.#network;
    // The component between two links: its upstream port has the one that leads up.
    const upper = !direction.isUp ? direction : !next.isUp ? null : next;
    const device =
      upper === null
        ? network.busOf(direction.link).bridge!.device.bus.bridge
        : network.busOf(upper.link).devices[0]?.lowestFunction;
    const timing = device == null ? undefined : network.options.port?.(device);
    leg.addDelay(timing?.latencyNs ?? network.platform.latency.switchNs);
    leg.storesWhole(timing?.storesWhole ?? network.options.storesWhole ?? false);
  }

  /** What the root complex does to payload from one of its ports to another. */
  #throughRoot(leg: LegDraft, from: LinkDirection, to: LinkDirection, route: Route): void {
    const network = this.#network;
    const { peers, latency } = network.platform;
    const { isWrite } = route.parts.shape;
    const fromRoot = network.busOf(from.link).hostBridge;
    const toRoot = network.busOf(to.link).hostBridge;
    const fromSocket = network.socketOf(fromRoot);
    const toSocket = network.socketOf(toRoot);
    const share =
      fromSocket !== toSocket ? peers.otherSocketShare : isWrite ? peers.writeShare : peers.readShare;
    if (Number.isFinite(peers.splitBytes)) {
      leg.split(peers.splitBytes);
    }
    if (share < 1 && share > 0) {
      leg.link(network.peerShare(network.linkStage(from), network.linkStage(to), share), false);
    }
    const gbs = isWrite ? peers.writeGBs : peers.readGBs;
    if (Number.isFinite(gbs)) {
      leg.stage(network.peerLimit(fromRoot, isWrite ? 'writes' : 'reads', gbs), 0);
    }
    if (fromSocket !== toSocket) {
      leg.stage(network.socketLink(fromSocket, toSocket, true), latency.remoteSocketNs / 2);
    }
  }

  #toMemory(leg: LegDraft, route: Route, numaNode: number): void {
    this.#overSockets(leg, route, numaNode, false);
    leg.stage(this.#network.memory(numaNode), 0);
  }

  /** Between the root complex of a requester and the memory of another socket. */
  #overSockets(leg: LegDraft, route: Route, numaNode: number, isBack: boolean): void {
    const network = this.#network;
    const { requester } = route.parts;
    const own = requester === null ? 0 : network.socketOf(requester.device.bus.hostBridge);
    const other = network.socketOfNode(numaNode);
    if (own !== other) {
      leg.stage(
        isBack ? network.socketLink(other, own) : network.socketLink(own, other),
        network.platform.latency.remoteSocketNs / (isBack ? 1 : 2),
      );
    }
  }

  #accessNs(route: Route, completer: DeviceTiming | undefined, traffic: Traffic): number {
    const { latency } = this.#network.platform;
    if (route.parts.shape.isWrite || route.kind === ROUTE_KIND.FAILED) {
      return 0;
    }
    if (route.isDram) {
      return latency.cacheNs + (traffic === TRAFFIC.CONTROL || this.isDataCached ? 0 : latency.dramNs);
    }
    return completer?.memoryLatencyNs ?? latency.barMemoryNs;
  }

  /** What was translated beforehand (ATS) passes; the rest is translated at the root complex. */
  #translationOf(
    route: Route,
    leg: Leg,
  ): { readonly translation: TranslationStage | null; readonly at: number } {
    const { root, requester, requesterId, shape } = route.parts;
    if (
      this.#translationOfRoot === null ||
      root === null ||
      requester === null ||
      shape.addressType !== ADDRESS_TYPE.UNTRANSLATED ||
      root.translator?.isIdentity?.(root.domain, requesterId) !== false
    ) {
      return { translation: null, at: -1 };
    }
    this.noteTranslated(root.domain, requesterId, this.sourceOf(requester));
    // In front of whatever follows the last link that leads up.
    const ups = route.parts.requestLinks.filter(({ isUp }) => isUp).length;
    const engines = leg.stages.filter(({ kind }) => kind === 'engine').length;
    return { translation: this.#translationOfRoot(root), at: ups + engines };
  }

  /** The IOMMU keeps translations of a source. */
  noteTranslated(domain: number, requesterId: number, source: number): void {
    const key = domain * 0x1_0000 + requesterId;
    const sources = this.#translated.get(key);
    if (sources === undefined) {
      this.#translated.set(key, new Set([source]));
    } else {
      sources.add(source);
    }
  }

  /** Reads that a root complex forwards a few at a time. */
  #gateOf(route: Route): Gate | null {
    const { root, requester } = route.parts;
    const { readsInFlight } = this.#network.platform.peers;
    if (
      root === null ||
      requester === null ||
      route.parts.numaNode !== null ||
      !Number.isFinite(readsInFlight)
    ) {
      return null;
    }
    let gate = this.#gates.get(root.name);
    if (gate === undefined) {
      gate = { name: `peer reads of root complex ${root.name}`, requestsMax: readsInFlight };
      this.#gates.set(root.name, gate);
    }
    return gate;
  }
}

/** Where the BAR that a route ends in begins, on its bus; undefined where it ends elsewhere. */
function barAddress({ completer, bar }: Route): number | undefined {
  return completer?.state.bars.find(({ index }) => index === bar)?.start;
}

function tagsOf(requester: FabricFunction): number {
  const { config } = requester;
  const { express } = config.offsets;
  return express !== 0 && DEVICE_CONTROL.Extended_Tag_Field_Enable.read(config.view, express) === 1
    ? TAGS_EXTENDED
    : TAGS_PLAIN;
}
