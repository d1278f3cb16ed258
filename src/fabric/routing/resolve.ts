/**
 * From a requester and an address to a `Route`: the way there, the way back, and whether its packets fit on both.
 *
 * Where ATS is enabled the requester asks for the translation first and sends the request with the translated address, as
 * a device does with what its cache holds; PRI is tried once when the page is not there. PCIe Base 6.0, 10.2 and 10.4.
 */
import { assert } from '../../base/index.ts';
import type { FabricFunction } from '../tree/fabric-function.ts';
import type { LinkDirection } from '../tree/link.ts';
import { ADDRESS_TYPE, isTranslationBlocked } from './acs.ts';
import { sendFrom } from './climb.ts';
import { completeFrom, completeFromRoot } from './completion.ts';
import { isExactAddress, Region } from './region.ts';
import { leavesFabric, remoteOutcome, remoteTrip } from './remote.ts';
import { enterFromCpu, INTERRUPT_RANGE, type RootComplex } from './root-complex.ts';
import { failed, type Outcome, type RequestShape, ROUTE_KIND, Route } from './route.ts';
import type { Translation } from './translator.ts';
import { Trip } from './trip.ts';

/** What the processor sends at most in one packet: a cache line. */
const CPU_PACKET_BYTES = 64;
const ATS_PAGE_BYTES = 4096;

const translation: Translation = { phys: 0, lengthBytes: 0 };

/** The route of a request of a function. `requesterId` is what it claims to be: its own unless a test says otherwise. */
export function resolveRoute(
  complex: RootComplex,
  from: FabricFunction,
  addr: number,
  lengthBytes: number,
  shape: RequestShape,
  requesterId = from.requesterId,
): Route {
  const region = Region.around(addr);
  const { state } = from;
  if (from.isGone || !state.canMaster) {
    const failure = failed(from.isGone ? 'gone' : 'disabled', from, 'primary');
    return makeRoute(addr, shape, failure, new Trip(from, addr, requesterId, region, shape, 0), NO_WAY_BACK);
  }
  const { translator } = from.device.bus.hostBridge;
  if (
    shape.addressType === ADDRESS_TYPE.UNTRANSLATED &&
    state.enablesAts &&
    translator !== null &&
    isExactAddress(addr) &&
    // A function knows its own BARs, and asks nobody about them.
    !state.bars.some((bar) => region.contains(addr, bar.start, bar.end)) &&
    // Interrupt messages are never translated beforehand. 10.2.1.
    !region.contains(addr, INTERRUPT_RANGE.start, INTERRUPT_RANGE.end)
  ) {
    return resolveTranslated(complex, from, addr, lengthBytes, shape, requesterId, region);
  }
  const trip = new Trip(from, addr, requesterId, region, shape, lengthBytes);
  return finish(complex, from, addr, shape, trip);
}

/** The route of a load or store of the CPU, by physical address. */
export function resolveCpuRoute(
  complex: RootComplex,
  addr: number,
  lengthBytes: number,
  isWrite: boolean,
): Route {
  const region = Region.around(addr);
  const shape: RequestShape = { isWrite, addressType: ADDRESS_TYPE.TRANSLATED, isRelaxed: false };
  const trip = new Trip(null, addr, 0, region, shape, lengthBytes);
  const outcome = enterFromCpu(complex, trip);
  return makeRoute(
    addr,
    shape,
    outcome,
    trip,
    isWrite ? NO_WAY_BACK : mirrored(trip.links),
    CPU_PACKET_BYTES,
  );
}

/** A translation request, and the request with what came back. */
function resolveTranslated(
  complex: RootComplex,
  from: FabricFunction,
  addr: number,
  lengthBytes: number,
  shape: RequestShape,
  requesterId: number,
  region: Region,
): Route {
  const translated: RequestShape = { ...shape, addressType: ADDRESS_TYPE.TRANSLATED };
  const refuse = (outcome: Outcome): Route =>
    makeRoute(addr, translated, outcome, new Trip(from, addr, requesterId, region, shape, 0), NO_WAY_BACK);
  const { hostBridge } = from.device.bus;
  for (let bus = from.device.bus; bus.bridge !== null; bus = bus.bridge.device.bus) {
    const port = bus.bridge;
    if (port.kind !== 'switch-upstream') {
      if (isTranslationBlocked(port.state.acs, ADDRESS_TYPE.TRANSLATION_REQUEST)) {
        return refuse(failed('acs-violation', port, 'secondary'));
      }
      if (!complex.countsTranslations) {
        // A read request without payload, and a completion with one entry of eight bytes. 10.2.2, 10.2.3.
        bus.link?.up.add(0, 0, 1);
        bus.link?.down.add(0, hostBridge.acceptsTranslated ? 8 : 0, 1);
      }
    }
  }
  if (!hostBridge.acceptsTranslated) {
    // A root complex without ATS answers with Unsupported Request. 10.2.3.
    return refuse(failed('unsupported', null, 'primary'));
  }
  const translator = hostBridge.translator!;
  const skew = addr % ATS_PAGE_BYTES;
  const wanted = Math.min(skew + lengthBytes, Number.MAX_SAFE_INTEGER - (addr - skew));
  const ask = (): void =>
    translator.translate(
      hostBridge.domain,
      requesterId,
      addr - skew,
      wanted,
      shape.isWrite,
      true,
      translation,
    );
  ask();
  if (
    translation.phys < 0 &&
    from.state.enablesPageRequests &&
    translator.requestPage(hostBridge.domain, requesterId, addr - skew, shape.isWrite)
  ) {
    ask();
  }
  if (translation.phys < 0) {
    return refuse(failed('iommu-fault', null, 'primary'));
  }
  const trip = new Trip(from, translation.phys + skew, requesterId, region, translated, lengthBytes);
  assert(translation.lengthBytes > skew, 'a translator answered with less than a page', { ...translation });
  region.limit(skew, translation.lengthBytes - skew);
  return finish(complex, from, addr, translated, trip);
}

function finish(
  complex: RootComplex,
  from: FabricFunction,
  addr: number,
  shape: RequestShape,
  trip: Trip,
): Route {
  const outcome = sendFrom(complex, from, trip);
  if (outcome.failure !== null) {
    if (complex.remote !== null && leavesFabric(complex, complex.remote, from, addr, outcome.failure, trip)) {
      const away = remoteTrip(from, addr, shape, trip);
      return makeRoute(
        addr,
        shape,
        remoteOutcome(addr),
        away,
        shape.isWrite ? NO_WAY_BACK : mirrored(away.links),
      );
    }
    // What answers an error is near the requester's own path; the answer is taken to come back the same way.
    const isSilent = shape.isWrite || outcome.failure.code === 'timeout';
    return makeRoute(addr, shape, outcome, trip, isSilent ? NO_WAY_BACK : mirrored(trip.links));
  }
  if (shape.isWrite) {
    return makeRoute(addr, shape, outcome, trip, NO_WAY_BACK);
  }
  const back =
    outcome.completer === null
      ? completeFromRoot(trip.root!, from, trip.requesterId, shape.isRelaxed)
      : completeFrom(outcome.completer, from, trip.requesterId, shape.isRelaxed, isOnOneBus(from, trip));
  return makeRoute(
    addr,
    shape,
    back.arrives ? outcome : failed('completion-lost', from, 'primary'),
    trip,
    back,
  );
}

/** The request crossed nothing but one conventional bus. */
function isOnOneBus(from: FabricFunction, trip: Trip): boolean {
  const { bus } = trip.stops.at(-1)!.device;
  return bus.kind === 'conventional' && bus === from.device.bus && trip.stops.length <= 2;
}

/** `packetBytes` replaces what the first PCI Express function on the way sends at most. */
function makeRoute(
  addr: number,
  shape: RequestShape,
  outcome: Outcome,
  trip: Trip,
  back: WayBack,
  packetBytes?: number,
): Route {
  const { region } = trip;
  const isExact = isExactAddress(addr);
  const way = shape.isWrite ? trip : back;
  const requester = trip.stops.find(isExpress);
  const maxPayloadBytes = packetBytes ?? way.stops.find(isExpress)?.state.maxPayloadBytes ?? 128;
  let payloadLimitBytes = maxPayloadBytes;
  let limitIndex = -1;
  for (const [index, stop] of outcome.kind === ROUTE_KIND.FAILED ? [] : way.stops.entries()) {
    if (isExpress(stop) && stop.state.maxPayloadBytes < payloadLimitBytes) {
      payloadLimitBytes = stop.state.maxPayloadBytes;
      limitIndex = limitIndex < 0 ? index : limitIndex;
    }
  }
  return new Route(
    {
      start: isExact ? addr - region.below : addr,
      end: isExact ? addr + region.above : addr,
      sentStart: isExact ? trip.sentAddr - region.below : trip.sentAddr,
      shape,
      requester: trip.requester,
      requesterId: trip.requesterId,
      outcome,
      requestLinks: trip.links,
      requestStops: trip.stops,
      completionLinks: back.links,
      completionStops: back.stops,
      root: trip.root,
      numaNode: trip.numaNode,
      redirectedAt: trip.redirectedAt,
      maxPayloadBytes,
      maxReadRequestBytes: packetBytes ?? requester?.state.maxReadRequestBytes ?? 128,
      payloadLimitBytes,
      payloadLimitAt: limitIndex < 0 ? null : way.stops[limitIndex]!,
      payloadLimitLinks: limitIndex < 0 ? 0 : way.linksBefore[limitIndex]!,
    },
    addr,
  );
}

/** The completion's path, or nothing. */
interface WayBack {
  readonly links: readonly LinkDirection[];
  readonly stops: readonly FabricFunction[];
  readonly linksBefore: readonly number[];
}

const NO_WAY_BACK: WayBack = { links: [], stops: [], linksBefore: [] };

function isExpress(fn: FabricFunction): boolean {
  return fn.state.maxPayloadBytes > 0;
}

function mirrored(links: readonly LinkDirection[]): WayBack {
  return {
    links: links.map(({ link, isUp }) => (isUp ? link.down : link.up)).reverse(),
    stops: [],
    linksBefore: [],
  };
}
