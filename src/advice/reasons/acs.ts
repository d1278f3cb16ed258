/** What Access Control Services do on the way (PCIe Base 6.0, 6.12; Linux drivers/pci/p2pdma.c, pci_bridge_has_acs_redir). */
import {
  ACS_EC,
  ACS_RR,
  ACS_TB,
  acsBitNames,
  isAtsEnabled,
  KERNEL_REDIRECT_BITS,
} from '../../p2pdma/index.ts';
import type { MachineFunction } from '../../topology/index.ts';
import type { PairContext } from '../pair-context.ts';
import { makeReason, type Reason } from '../reason-codes.ts';
import { hex16 } from '../registers.ts';

export function acsReasons(context: PairContext): Reason[] {
  return [
    ...redirectReasons(context),
    ...unknownReasons(context),
    ...egressReasons(context),
    ...translationReasons(context),
    ...harmlessReasons(context),
  ];
}

/** One for each function of the walk that redirects, in the kernel's order. */
function redirectReasons(context: PairContext): Reason[] {
  const { verdict } = context;
  const isWalked = verdict.common != null;
  const found = isWalked
    ? verdict.redirects.flatMap((bdf) => context.index.find(bdf) ?? [])
    : context.path.filter((fn) => fn.acs != null && (fn.acs.control & KERNEL_REDIRECT_BITS) !== 0);
  return found.map((fn) => {
    const control = fn.acs?.control;
    const bits = control === undefined ? '' : ` (${acsBitNames(control & KERNEL_REDIRECT_BITS)})`;
    return makeReason('ACS_REDIRECT', {
      blocks: isWalked && verdict.usable === false,
      at: fn.bdf,
      evidence: control === undefined ? null : { register: 'ACS Control', value: hex16(control) },
      detail: isWalked
        ? `${fn.bdf} sends peer requests or completions up to the host bridge${bits}`
        : `${fn.bdf} redirects${bits}; the kernel does not look at it here because everything goes through the host bridge anyway${iommuRemark(context)}`,
      hint: isWalked
        ? `\`peerlane fix ${verdict.provider} ${verdict.client}\` prints how to clear it and what that costs`
        : 'nothing to do for the verdict; if transfers hang on this platform, compare with the redirect bits of these ports cleared',
    });
  });
}

function iommuRemark(context: PairContext): string {
  return context.machine.iommu.mode === 'translated' || context.machine.iommu.mode === 'on'
    ? ', and the IOMMU checks every request there'
    : '';
}

function unknownReasons(context: PairContext): Reason[] {
  const { verdict, machine } = context;
  // Where no value could change the answer, what is not known is no reason.
  if (verdict.mapType !== 'unknown') {
    return [];
  }
  const supply =
    machine.source.kind === 'live'
      ? 'run as root: extended config space is readable by root only'
      : machine.source.kind === 'lspci'
        ? 'take the text again as root: `sudo lspci -vvv`, or `sudo lspci -xxxx`'
        : 'take the snapshot as root: `sudo peerlane snapshot -o host.tar.gz`';
  return verdict.unknownAcs.map((bdf) =>
    makeReason('ACS_UNKNOWN', {
      at: bdf,
      evidence: { register: 'ACS Control', value: 'unknown' },
      detail: `whether ${bdf} redirects peer requests is not known from this input`,
      hint: supply,
    }),
  );
}

function egressReasons(context: PairContext): Reason[] {
  const { write, read } = context.physical;
  return context.path
    .filter((fn) => fn.acs != null && (fn.acs.control & ACS_EC) !== 0)
    .map((fn) => {
      const isBlocked = [write, read].some((route) => route.outcome === 'blocked' && route.at === fn.bdf);
      const isRedirected = (fn.acs!.control & ACS_RR) !== 0;
      const vector = fn.acs!.egressVector;
      return makeReason('ACS_EGRESS', {
        blocks: isBlocked,
        at: fn.bdf,
        evidence:
          vector === null
            ? { register: 'ACS Control', value: hex16(fn.acs!.control) }
            : { register: 'Egress Control Vector', value: vectorText(vector) },
        detail: isBlocked
          ? `${fn.bdf} blocks requests to the other port by its egress control vector`
          : `${fn.bdf} decides by its egress control vector which ports may be reached${isRedirected ? '; what it forbids is redirected' : ''}; the kernel counts it as a redirect without reading the vector`,
        hint: 'clear EC (bit 5) of ACS Control there, or the bit of the other port in the vector',
      });
    });
}

/** Bits set, lowest first: `ports 1, 3`. */
function vectorText(vector: readonly boolean[]): string {
  const set = vector.flatMap((bit, index) => (bit ? [index] : []));
  return set.length === 0 ? 'no bit set' : `bits ${set.join(', ')}`;
}

/**
 * Translation Blocking stops requests that carry an already translated address, at the port they enter by. A client with ATS
 * enabled may send such requests and others; which ones, no register tells.
 */
function translationReasons(context: PairContext): Reason[] {
  const ports = [context.client, ...context.aboveClient].filter(
    (fn) => fn.acs != null && (fn.acs.control & ACS_TB) !== 0,
  );
  const ats = isAtsEnabled(context.client);
  const client =
    ats === true
      ? 'ATS is enabled at the client, and what it sends with such addresses does not arrive'
      : ats === false
        ? 'ATS is not enabled at the client, so that nothing is stopped'
        : 'whether ATS is enabled at the client is not known';
  return ports.map((fn) =>
    makeReason('ACS_TRANSLATION_BLOCKED', {
      at: fn.bdf,
      evidence: { register: 'ACS Control', value: hex16(fn.acs!.control) },
      detail: `${fn.bdf} blocks requests with translated addresses (TB), and no others; ${client}`,
      hint:
        ats === true
          ? 'verify with data; with `pci=noats` the client sends no translated addresses'
          : 'the kernel sets TB for untrusted devices and where ATS is disabled (`pci=noats`); without ATS nothing is lost',
    }),
  );
}

/** ACS that is on and does not stand in the way; people clear it for nothing. */
function harmlessReasons(context: PairContext): Reason[] {
  if (context.verdict.common == null) {
    return [];
  }
  const isHarmless = (fn: MachineFunction): boolean =>
    fn.acs != null && fn.acs.control !== 0 && (fn.acs.control & KERNEL_REDIRECT_BITS) === 0;
  return context.path.filter(isHarmless).map((fn) =>
    makeReason('ACS_SV_ONLY', {
      at: fn.bdf,
      evidence: { register: 'ACS Control', value: hex16(fn.acs!.control) },
      detail: `${fn.bdf} has ACS on (${acsBitNames(fn.acs!.control)}) without redirecting: it does not stand in the way`,
      hint: 'leave it as it is',
    }),
  );
}
