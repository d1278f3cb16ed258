/**
 * The ways of what a device with ATS and the root complex say to each other: translation requests and their completions,
 * invalidations and theirs. PCIe Base 6.0, 10.2.2, 10.2.3, 10.3.1.
 */
import type { FabricFunction } from '../tree/fabric-function.ts';
import type { LinkDirection } from '../tree/link.ts';
import { LegDraft } from './leg-draft.ts';
import type { Leg, TimedPath, TranslationStage } from './path.ts';
import { CPU_SOURCE, type PathBuilder } from './path-builder.ts';

const PS_PER_NS = 1000;
/** Nothing of it is larger: no packet is cut. */
const LIMIT_BYTES = 64;

/** Bytes of payload. A translation is one entry; the request of an invalidation names a range; its completion has none. */
export const ATS_PAYLOAD_BYTES = { TRANSLATION: 8, INVALIDATE_REQUEST: 8, INVALIDATE_COMPLETION: 0 } as const;

export interface AtsPaths {
  readonly translation: TimedPath;
  readonly invalidate: TimedPath;
  readonly invalidated: TimedPath;
}

/** Directions of the links from a function up to its root port. */
export function linksUp(fn: FabricFunction): readonly LinkDirection[] {
  const links: LinkDirection[] = [];
  for (let { bus } = fn.device; bus.bridge !== null; { bus } = bus.bridge.device) {
    if (bus.link !== null) {
      links.push(bus.link.up);
    }
  }
  return links;
}

/** @param agent the IOMMU, which answers from its IOTLB or walks */
export function atsPaths(paths: PathBuilder, fn: FabricFunction, agent: TranslationStage): AtsPaths {
  const { latency } = paths.network.platform;
  const up = linksUp(fn);
  const down = up.map(({ link }) => link.down).reverse();
  const source = paths.sourceOf(fn);
  const request = way(paths, up, paths.addsEcrc(fn, up[0]), false);
  const common = {
    requestBytes: LIMIT_BYTES,
    completionBytes: LIMIT_BYTES,
    gate: null,
  } as const;
  const message = {
    ...common,
    isWrite: true,
    completion: null,
    access: { latencyPs: 0 },
    translation: null,
    translationAt: -1,
  } as const;
  return {
    translation: {
      ...common,
      isWrite: false,
      request,
      completion: way(paths, down, paths.addsEcrc(null, down[0]), true),
      // As long as a read that is answered from the cache: L9 of the timing model.
      access: { latencyPs: latency.cacheNs * PS_PER_NS },
      translation: agent,
      translationAt: request.stages.length,
      source,
      limits: paths.limitsOf(source, fn, paths.network.options.endpoint?.(fn), false),
      role: 'translation-request',
    },
    invalidate: {
      ...message,
      request: way(paths, down, paths.addsEcrc(null, down[0]), false),
      source: CPU_SOURCE,
      limits: { tags: 0, waitsForPosted: false },
      role: 'invalidate-request',
    },
    invalidated: {
      ...message,
      request: way(paths, up, paths.addsEcrc(fn, up[0]), false),
      source,
      limits: { tags: 0, waitsForPosted: false },
      role: 'invalidate-completion',
    },
  };
}

/** Requests of ATS have headers of four words, as messages have. */
function way(paths: PathBuilder, links: readonly LinkDirection[], ecrc: boolean, isCompletion: boolean): Leg {
  const leg = new LegDraft(64, isCompletion, ecrc);
  leg.delayNs = paths.network.platform.latency.pinNs;
  paths.overLinks(leg, links, null, false);
  return leg.finish();
}
