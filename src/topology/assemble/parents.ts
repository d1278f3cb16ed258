/**
 * The parent of each function: as the reader has it, or from the bus numbers of the bridges.
 *
 * A bridge owns its secondary bus and forwards secondary..subordinate (PCI-to-PCI Bridge 1.2, 3.2.5). A bus in that
 * range that no bridge owns belongs either to VFs (virtual bus numbers, PCIe Base 6.0, 9.2.1.2) or to bridges that the
 * input leaves out.
 */
import { type Bdf, bdfParts } from '../../base/index.ts';
import type { Finding } from '../machine.ts';
import type { FunctionDraft } from './machine-draft.ts';

export interface ResolvedParents {
  /** Missing: unknown. */
  readonly parents: Map<Bdf, Bdf | null>;
  /** Functions with bridges left out between them and their parent. */
  readonly hidden: ReadonlySet<Bdf>;
  /** Functions on a root bus, whose parent given by the reader lies in another domain: VMD. */
  readonly crossings: ReadonlyMap<Bdf, Bdf>;
}

export function resolveParents(
  drafts: readonly FunctionDraft[],
  byBdf: ReadonlyMap<Bdf, FunctionDraft>,
  physicalFunctions: ReadonlyMap<Bdf, Bdf | null>,
  mayMissBridges: boolean,
  findings: Finding[],
): ResolvedParents {
  const buses = new BusOwners(drafts, mayMissBridges, findings);
  const parents = new Map<Bdf, Bdf | null>();
  const hidden = new Set<Bdf>();
  const crossings = new Map<Bdf, Bdf>();
  const virtual: [Bdf, Bdf][] = [];
  for (const fn of drafts) {
    if (fn.hiddenAbove === true) {
      hidden.add(fn.bdf);
    }
    const given = fn.parent;
    if (given != null && given !== fn.bdf && byBdf.has(given)) {
      if (bdfParts(given).domain !== bdfParts(fn.bdf).domain) {
        crossings.set(fn.bdf, given);
        parents.set(fn.bdf, null);
      } else {
        parents.set(fn.bdf, given);
        checkAgainstNumbers(fn, byBdf.get(given)!, physicalFunctions, findings);
      }
      continue;
    }
    if (given === null) {
      parents.set(fn.bdf, null);
      continue;
    }
    if (given !== undefined) {
      findings.push({
        at: fn.bdf,
        code: 'PARENT_MISSING',
        detail:
          given === fn.bdf
            ? 'a function cannot be its own parent'
            : `its parent ${given} is not in the input`,
      });
    }
    const owner = buses.ownerOf(fn.bdf);
    const pf = physicalFunctions.get(fn.bdf);
    if (pf != null && (owner.kind !== 'bridge' || owner.isHidden)) {
      virtual.push([fn.bdf, pf]);
    } else if (owner.kind === 'root') {
      parents.set(fn.bdf, null);
    } else if (owner.kind === 'bridge') {
      parents.set(fn.bdf, owner.bridge);
      if (owner.isHidden) {
        hidden.add(fn.bdf);
        findings.push({
          at: fn.bdf,
          code: 'PARENT_GUESSED',
          detail: `no bridge of the input owns its bus; ${owner.bridge} forwards it`,
        });
      }
    }
  }
  // VFs on a virtual bus hang where their PF hangs, and PFs are known only now.
  for (const [vf, pf] of virtual) {
    const parent = parents.get(pf);
    if (parent !== undefined) {
      parents.set(vf, parent);
    }
  }
  cutLoops(drafts, parents, findings);
  return { parents, hidden, crossings };
}

/** The kernel's tree is believed; registers that say otherwise are worth knowing. */
function checkAgainstNumbers(
  fn: FunctionDraft,
  parent: FunctionDraft,
  physicalFunctions: ReadonlyMap<Bdf, Bdf | null>,
  findings: Finding[],
): void {
  const bus = bdfParts(fn.bdf).bus;
  const secondary = parent.secondaryBus;
  if (secondary == null || secondary === bus || parent.isGone === true || fn.hiddenAbove === true) {
    return;
  }
  if (physicalFunctions.get(fn.bdf) != null && bus > secondary && bus <= (parent.subordinateBus ?? 255)) {
    return;
  }
  findings.push({
    at: fn.bdf,
    code: 'BUS_NUMBERS',
    detail: `lies below ${parent.bdf}, whose secondary bus is ${secondary.toString(16).padStart(2, '0')}`,
  });
}

type Owner =
  | { readonly kind: 'root' }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'bridge'; readonly bridge: Bdf; readonly isHidden: boolean };

interface Range {
  readonly bridge: Bdf;
  readonly secondary: number;
  readonly subordinate: number;
}

/** Which bridge owns a bus, by the numbers in the bridges' headers. */
class BusOwners {
  /** By `domain`, the bridges whose numbers make sense. */
  readonly #ranges = new Map<number, Range[]>();
  /** Domains with a bridge, or what might be one, whose numbers are unknown. */
  readonly #open = new Set<number>();
  /** By domain x 256 + bus; many functions share a bus. */
  readonly #cache = new Map<number, Owner>();

  readonly #mayMissBridges: boolean;

  constructor(drafts: readonly FunctionDraft[], mayMissBridges: boolean, findings: Finding[]) {
    this.#mayMissBridges = mayMissBridges;
    for (const fn of drafts) {
      const { domain, bus } = bdfParts(fn.bdf);
      const secondary = fn.secondaryBus;
      if (secondary === undefined) {
        if (mayBeBridge(fn)) {
          this.#open.add(domain);
        }
        continue;
      }
      // 0 is the reset value: a bridge that nobody configured.
      if (secondary === null || secondary === 0) {
        continue;
      }
      const subordinate = fn.subordinateBus ?? secondary;
      if (secondary <= bus || subordinate < secondary) {
        findings.push({
          at: fn.bdf,
          code: 'BUS_NUMBERS',
          detail: `bus numbers primary ${bus}, secondary ${secondary}, subordinate ${subordinate} do not rise; ignored`,
        });
        continue;
      }
      const ranges = this.#ranges.get(domain);
      const range = { bridge: fn.bdf, secondary, subordinate };
      if (ranges === undefined) {
        this.#ranges.set(domain, [range]);
      } else {
        ranges.push(range);
      }
    }
    this.#reportShared(findings);
  }

  ownerOf(bdf: Bdf): Owner {
    const { domain, bus } = bdfParts(bdf);
    const key = domain * 256 + bus;
    const known = this.#cache.get(key);
    if (known !== undefined) {
      return known;
    }
    const owner = this.#find(domain, bus);
    this.#cache.set(key, owner);
    return owner;
  }

  #find(domain: number, bus: number): Owner {
    const ranges = this.#ranges.get(domain) ?? [];
    const owners = ranges.filter((range) => range.secondary === bus);
    if (owners.length === 1) {
      return { kind: 'bridge', bridge: owners[0]!.bridge, isHidden: false };
    }
    if (owners.length > 1) {
      return { kind: 'unknown' };
    }
    if (bus !== 0 && this.#open.has(domain)) {
      return { kind: 'unknown' };
    }
    let innermost: Range | undefined;
    for (const range of ranges) {
      const isInside = range.secondary < bus && bus <= range.subordinate;
      if (isInside && (innermost === undefined || range.secondary > innermost.secondary)) {
        innermost = range;
      }
    }
    if (innermost === undefined && bus !== 0 && this.#mayMissBridges) {
      return { kind: 'unknown' };
    }
    return innermost === undefined
      ? { kind: 'root' }
      : { kind: 'bridge', bridge: innermost.bridge, isHidden: true };
  }

  #reportShared(findings: Finding[]): void {
    for (const ranges of this.#ranges.values()) {
      const first = new Map<number, Bdf>();
      for (const range of ranges) {
        const other = first.get(range.secondary);
        if (other === undefined) {
          first.set(range.secondary, range.bridge);
          continue;
        }
        findings.push({
          at: range.bridge,
          code: 'BUS_NUMBERS',
          detail: `has the same secondary bus ${range.secondary.toString(16).padStart(2, '0')} as ${other}`,
        });
      }
    }
  }
}

/** Header type 1 or 2, or a class that has it; a function of which nothing is known may be anything. */
function mayBeBridge(fn: FunctionDraft): boolean {
  if (fn.headerType !== undefined) {
    return fn.headerType === 1 || fn.headerType === 2;
  }
  if (fn.classCode === undefined) {
    return true;
  }
  const subclass = fn.classCode >>> 8;
  return subclass === 0x0604 || subclass === 0x0607 || subclass === 0x0609;
}

/** Parents named by the input may form a ring; each ring is opened at the function where it was noticed. */
function cutLoops(
  drafts: readonly FunctionDraft[],
  parents: Map<Bdf, Bdf | null>,
  findings: Finding[],
): void {
  const done = new Set<Bdf>();
  for (const fn of drafts) {
    const trail = new Set<Bdf>();
    let at: Bdf | null | undefined = fn.bdf;
    let last = fn.bdf;
    while (at != null && !done.has(at)) {
      if (trail.has(at)) {
        parents.delete(last);
        findings.push({
          at: last,
          code: 'PARENT_LOOP',
          detail: `its parents lead back to itself; the link to ${at} is dropped`,
        });
        break;
      }
      trail.add(at);
      last = at;
      at = parents.get(at);
    }
    for (const seen of trail) {
      done.add(seen);
    }
  }
}
