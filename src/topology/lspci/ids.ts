/** Ids that the text leaves out, from the names that it prints instead. */
import type { Bdf } from '../../base/index.ts';
import type { ConfigFacts } from '../config/index.ts';
import type { Finding, Gap } from '../machine.ts';
import type { FunctionFacts } from './facts.ts';
import { idsFromNames } from './ids-from-names.ts';

export interface IdLookUp {
  readonly gaps: readonly Gap[];
  readonly findings: readonly Finding[];
}

/**
 * Fills `vendorId` and `deviceId` of the facts that lack them, and tells of how many that is true and of how many not.
 *
 * @param decoded facts from hex dumps, which have the ids themselves
 * @param pciIds  gives the text of a pci.ids file; called once at most
 */
export function lookUpIds(
  all: readonly FunctionFacts[],
  decoded: ReadonlyMap<Bdf, ConfigFacts>,
  pciIds: (() => string | undefined) | undefined,
): IdLookUp {
  const isKnown = (facts: FunctionFacts): boolean =>
    (facts.vendorId ?? decoded.get(facts.bdf)?.vendorId) !== undefined &&
    (facts.deviceId ?? decoded.get(facts.bdf)?.deviceId) !== undefined;
  const lacking = all.filter((facts) => !isKnown(facts) && printedName(facts) !== undefined);
  if (lacking.length === 0) {
    return { gaps: [], findings: [] };
  }
  const list = pciIds?.();
  const ids =
    list === undefined
      ? undefined
      : idsFromNames(
          list,
          lacking.map((facts) => printedName(facts)!),
        );
  const filled: FunctionFacts[] = [];
  for (const facts of lacking) {
    const found = ids?.get(printedName(facts)!);
    // An id that the text does print stands above what a list says of a name.
    if (
      found !== undefined &&
      agrees(found.vendorId, facts.vendorId) &&
      agrees(found.deviceId, facts.deviceId)
    ) {
      facts.vendorId = found.vendorId;
      if (found.deviceId !== undefined) {
        facts.deviceId = found.deviceId;
      }
      filled.push(facts);
    }
  }
  const open = lacking.filter((facts) => !isKnown(facts)).length;
  return {
    gaps: open === 0 ? [] : [idGap(open, all.length, list !== undefined)],
    findings:
      filled.length === 0
        ? []
        : [
            {
              at: null,
              code: 'IDS_FROM_NAMES',
              detail: `the text prints names without ids; the ids of ${filled.length} functions were found by name in the pci.ids of the system that reads it, so they are as good as that file; \`lspci -nn\` prints them`,
            },
          ],
  };
}

/** Vendor and device as lspci prints them on one line, `-mm` and `-vmm` included. */
function printedName(facts: FunctionFacts): string | undefined {
  const { vendorName, deviceName, deviceId } = facts;
  if (vendorName === undefined) {
    return deviceName;
  }
  const device =
    deviceName ?? (deviceId === undefined ? undefined : `Device ${deviceId.toString(16).padStart(4, '0')}`);
  return device === undefined ? undefined : `${vendorName} ${device}`;
}

function agrees(found: number | undefined, printed: number | undefined): boolean {
  return found === undefined || printed === undefined || found === printed;
}

function idGap(count: number, total: number, hasList: boolean): Gap {
  const why = hasList
    ? 'their names lead to no single entry of the pci.ids at hand'
    : 'only names are printed, and there is no pci.ids to look them up in';
  return {
    at: null,
    what: 'ids',
    detail: `vendor and device ids of ${count} of ${total} functions are not known: ${why}; \`lspci -nn\` prints them`,
  };
}
