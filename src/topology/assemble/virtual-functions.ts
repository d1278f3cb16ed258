/** Which functions are virtual functions, and of which physical function (PCIe Base 6.0, 9.2.1.2 and 9.3.3). */
import { type Bdf, bdfParts, formatBdf } from '../../base/index.ts';
import { vfRoutingIds } from '../config/index.ts';
import type { Finding } from '../machine.ts';
import type { FunctionDraft, SriovLayout } from './machine-draft.ts';

/**
 * The PF of each VF, null for what is known to be none, missing for unknown.
 *
 * A VF's own header reads vendor FFFFh (PCIe Base 6.0, 9.3.4.1.1), so a readable header with any other vendor proves
 * that a function is no VF.
 */
export function virtualFunctions(
  drafts: readonly FunctionDraft[],
  byBdf: ReadonlyMap<Bdf, FunctionDraft>,
  findings: Finding[],
): ReadonlyMap<Bdf, Bdf | null> {
  const owners = new Map<Bdf, Bdf | null>();
  for (const fn of drafts) {
    for (const vf of fn.sriov == null ? [] : vfAddresses(fn.bdf, fn.sriov, byBdf)) {
      owners.set(vf, fn.bdf);
    }
  }
  for (const fn of drafts) {
    const given = fn.physicalFunction;
    if (given != null && byBdf.has(given) && isNeighbour(given, fn.bdf)) {
      owners.set(fn.bdf, given);
    } else if (given != null) {
      findings.push({
        at: fn.bdf,
        code: 'PHYSICAL_FUNCTION_MISSING',
        detail: isNeighbour(given, fn.bdf)
          ? `its PF ${given} is not in the input`
          : `${given} cannot be its PF`,
      });
      owners.delete(fn.bdf);
    } else if (given === null || (!owners.has(fn.bdf) && isNoVf(fn))) {
      owners.set(fn.bdf, null);
    }
  }
  // A VF has no VFs: a chain could only come from a contradictory input, and whoever follows PFs must not loop.
  for (const [vf, pf] of owners) {
    if (pf !== null && owners.get(pf) != null) {
      findings.push({ at: vf, code: 'PHYSICAL_FUNCTION_MISSING', detail: `its PF ${pf} is itself a VF` });
      owners.delete(vf);
    }
  }
  return owners;
}

function* vfAddresses(pf: Bdf, layout: SriovLayout, byBdf: ReadonlyMap<Bdf, FunctionDraft>): Generator<Bdf> {
  const parts = bdfParts(pf);
  for (const id of vfRoutingIds(parts.bus * 256 + parts.device * 8 + parts.function, layout)) {
    const bdf = formatBdf({ domain: parts.domain, bus: id >> 8, device: (id >> 3) & 31, function: id & 7 });
    if (bdf !== pf && byBdf.has(bdf)) {
      yield bdf;
    }
  }
}

/** Another function of the same domain: routing ids do not reach further. */
function isNeighbour(pf: Bdf, vf: Bdf): boolean {
  return pf !== vf && bdfParts(pf).domain === bdfParts(vf).domain;
}

function isNoVf(fn: FunctionDraft): boolean {
  if (fn.pcieType === null || fn.headerType === 1 || fn.headerType === 2) {
    return true;
  }
  const config = fn.config;
  return config !== undefined && config.length >= 2 && (config[0] !== 0xff || config[1] !== 0xff);
}
