/**
 * The host bridge of each function, and what hangs where: an Intel VMD is an endpoint with a host bridge and a domain of
 * its own behind it (Linux drivers/pci/controller/vmd.c), so the physical path goes on in another domain.
 */
import { type Bdf, bdfParts } from '../../base/index.ts';
import type { Finding, HostBridge } from '../machine.ts';
import type { FunctionDraft, HostBridgeDraft } from './machine-draft.ts';

export interface ResolvedHostBridges {
  readonly keys: ReadonlyMap<Bdf, string>;
  readonly hostBridges: readonly HostBridge[];
}

/** Linux numbers VMD domains from here, above every domain that firmware (16 bits) can name. */
const FIRST_VMD_DOMAIN = 0x1_0000;

const KEY_PATTERN = /^pci([0-9a-f]{4,8}):([0-9a-f]{2})$/;

export function hostBridgesOf(
  drafts: readonly FunctionDraft[],
  parents: ReadonlyMap<Bdf, Bdf | null>,
  crossings: ReadonlyMap<Bdf, Bdf>,
  given: readonly HostBridgeDraft[],
  findings: Finding[],
): ResolvedHostBridges {
  const keys = keysOf(drafts, parents);
  const known = new Map(given.map((draft) => [draft.key, draft]));
  const firstFunction = new Map<string, FunctionDraft>();
  const behind = new Map<string, Bdf>();
  for (const fn of drafts) {
    const key = keys.get(fn.bdf)!;
    if (!firstFunction.has(key)) {
      firstFunction.set(key, fn);
    }
    const crossing = crossings.get(fn.bdf);
    if (crossing !== undefined) {
      behind.set(key, crossing);
    }
  }
  const listed = new Set(drafts.map((fn) => fn.bdf));
  const vmds = drafts.filter(isVmd).map((fn) => fn.bdf);
  const hostBridges: HostBridge[] = [];
  for (const key of new Set([...known.keys(), ...firstFunction.keys()])) {
    const match = KEY_PATTERN.exec(key);
    const first = firstFunction.get(key);
    const domain =
      match !== null ? Number.parseInt(match[1]!, 16) : first === undefined ? 0 : bdfParts(first.bdf).domain;
    const draft = known.get(key);
    let upstream = draft?.behind ?? behind.get(key) ?? null;
    if (upstream !== null && !listed.has(upstream)) {
      findings.push({
        at: null,
        code: 'VMD_UNKNOWN',
        detail: `${key} lies behind ${upstream}, which is not in the input`,
      });
      upstream = null;
    }
    if (upstream === null && draft?.behind === undefined && domain >= FIRST_VMD_DOMAIN) {
      upstream = vmds.length === 1 ? vmds[0]! : null;
      if (upstream === null) {
        findings.push({
          at: null,
          code: 'VMD_UNKNOWN',
          detail: `${key} lies behind a VMD, and the input does not say which of ${vmds.length}`,
        });
      }
    }
    hostBridges.push({
      key,
      domain,
      rootBus: match === null ? undefined : Number.parseInt(match[2]!, 16),
      numaNode: draft?.numaNode,
      behind: upstream,
    });
  }
  hostBridges.sort(
    (a, b) => a.domain - b.domain || (a.rootBus ?? 256) - (b.rootBus ?? 256) || (a.key < b.key ? -1 : 1),
  );
  return { keys, hostBridges: withoutRings(hostBridges, keys, findings) };
}

/** Every function belongs to the host bridge of the root-bus function above it. */
function keysOf(
  drafts: readonly FunctionDraft[],
  parents: ReadonlyMap<Bdf, Bdf | null>,
): ReadonlyMap<Bdf, string> {
  const own = new Map(drafts.map((fn) => [fn.bdf, fn.hostBridge]));
  const keys = new Map<Bdf, string>();
  for (const fn of drafts) {
    const trail: Bdf[] = [];
    let at = fn.bdf;
    let key = keys.get(at);
    while (key === undefined) {
      trail.push(at);
      const parent = parents.get(at);
      if (parent == null) {
        key = own.get(at) ?? (parent === null ? hostBridgeKeyOf(at) : unknownKey(at));
      } else {
        at = parent;
        key = keys.get(at);
      }
    }
    for (const passed of trail) {
      keys.set(passed, key);
    }
  }
  return keys;
}

/** The domain is known, the root bus is not. */
function unknownKey(bdf: Bdf): string {
  return `pci${bdf.slice(0, bdf.indexOf(':'))}:??`;
}

/** Device ids of Volume Management Devices, Linux drivers/pci/controller/vmd.c, vmd_ids. */
const VMD_DEVICE_IDS = new Set([
  0x201d, 0x28c0, 0x467f, 0x4c3d, 0x7d0b, 0x9a0b, 0xa77f, 0xad0b, 0xb06f, 0xb07f, 0xb60b,
]);

function isVmd(fn: FunctionDraft): boolean {
  return (
    fn.driver === 'vmd' ||
    (fn.vendorId === 0x8086 && fn.deviceId !== undefined && VMD_DEVICE_IDS.has(fn.deviceId))
  );
}

/** A host bridge behind an endpoint of its own domain would send whoever follows `behind` round for ever. */
function withoutRings(
  hostBridges: readonly HostBridge[],
  keys: ReadonlyMap<Bdf, string>,
  findings: Finding[],
): readonly HostBridge[] {
  const byKey = new Map(hostBridges.map((bridge) => [bridge.key, bridge]));
  return hostBridges.map((bridge) => {
    let at: HostBridge | undefined = bridge;
    for (let step = 0; at !== undefined && at.behind !== null && step <= hostBridges.length; step++) {
      at = byKey.get(keys.get(at.behind)!);
      if (at === bridge) {
        findings.push({ at: null, code: 'PARENT_LOOP', detail: `${bridge.key} lies behind itself; ignored` });
        return { ...bridge, behind: null };
      }
    }
    return bridge;
  });
}

/** Stands for some host bridge of a domain, where the input does not say which. */
export function someHostBridgeKey(domain: number): string {
  return `pci${domain.toString(16).padStart(4, '0')}:??`;
}

/** `pci0000:00`: the name that Linux gives the host bridge of a root bus. */
export function hostBridgeKey(domain: number, rootBus: number): string {
  return `pci${domain.toString(16).padStart(4, '0')}:${rootBus.toString(16).padStart(2, '0')}`;
}

/** The key of the host bridge whose root bus `bdf` would be on, were it on one. */
export function hostBridgeKeyOf(bdf: Bdf): string {
  const parts = bdfParts(bdf);
  return hostBridgeKey(parts.domain, parts.bus);
}
