/**
 * Where the kernel's verdict and the hardware part: every class that there is, by the number of its case in
 * `errors-and-edge-cases.md` where it has one. What fits into no class is a bug in one of two halves.
 *
 * The kernel is stricter where hardware would have carried the request, or would have carried it below the root complex; it
 * is laxer where it hands out an address and the request is lost.
 */
import type { FabricFunction } from '../../src/fabric/index.ts';
import type { LabMachine } from '../../src/lab/index.ts';
import type { KernelVerdict } from '../../src/p2pdma/index.ts';
import { functionOf, nameOf } from './bench-lab.ts';
import { rootComplexPasses } from './expectation.ts';
import { bridgesAbove, isTranslationBlocked } from './paths.ts';

export const CLASSES = {
  // Stricter: the walk counts a redirect that no request meets. (p2pdma.md 2.3)
  'EC-002': 'a function’s own ACS, and it reaches its own memory without anybody',
  'EC-008': 'ACS of the port above both: functions of one device reach each other below it',
  'EC-014': 'RR or EC of a port (or of the client) where the request does not turn',
  'EC-015': 'CR alone: it concerns completions, and of the completer’s port only',
  'EC-016 allows': 'EC whose vector lets this pair pass: the kernel does not read the vector',
  'EC-018': 'ACS on the provider’s side: requests come there from above',
  'EC-019': 'ACS of the upstream port above both: requests between its downstream ports never meet it',
  DT: 'a translated request that DT lets pass (PCIe Base 6.0, 6.12.1.1); the kernel does not know the bit',
  'EC-009':
    'functions of one integrated device: no common bridge for the kernel, one device for the hardware',
  // Stricter: the root complex carries it, the kernel does not trust it to.
  'EC-020 old':
    'kernels up to 5.3 refuse every redirect, kernels up to 5.0 every way through the root complex',
  'EC-023': 'a host bridge that the list does not have, and that routes',
  'EC-025': 'host bridges that the list has for one host bridge only, and that route across',
  'EC-029': 'a root bus that nobody stands for, whose root complex routes',
  'EC-037': 'kernels 5.2 and 5.3 with an IOMMU',
  // Laxer: an address is handed out, and requests are lost.
  'EC-016 blocks': 'EC without RR: blocked by the port, redirected for the kernel',
  'EC-021': 'EC at the root port where there is no common bridge: blocked, and not looked at',
  'EC-024': 'a listed host bridge of which this machine’s root complex does not route peers',
  'EC-032': 'an AMD CPU: accepted everywhere, and this machine’s root complex does not route peers',
  'EC-040': 'TB above a client with ATS: its translation requests are blocked',
  'EC-075': 'memory decode of the provider, or of a bridge above it, is off',
  'EC-130': 'an ATS client asks the IOMMU for the bus address, which has no page for it',
  'EC-184': 'a function in D3hot',
  'bus master': 'bus mastering of the client, or of a bridge above it, is off: its driver’s business',
} as const;
export type ClassName = keyof typeof CLASSES;

/** What hardware did with a request. */
export type Carried = 'directly' | 'turned by a port' | 'through the root' | 'lost';

export interface Compared {
  readonly machine: LabMachine;
  readonly verdict: KernelVerdict;
  readonly client: FabricFunction;
  readonly provider: FabricFunction;
  readonly isWrite: boolean;
  readonly carried: Carried;
  /** The IOMMU translates, and the address that was used has no page. */
  readonly isUnmapped: boolean;
}

/** @returns no class where kernel and hardware agree; null for a difference outside of the list */
export function classesOf(compared: Compared): readonly ClassName[] | null {
  const { verdict, carried } = compared;
  switch (verdict.mapType) {
    case 'bus-addr':
      return carried === 'directly' ? [] : carried === 'lost' ? whyLost(compared) : null;
    case 'thru-host-bridge':
      return carried === 'directly' ? whyDirect(compared) : carried === 'lost' ? whyLost(compared) : [];
    case 'not-supported':
      return carried === 'lost' ? [] : carried === 'directly' ? whyDirect(compared) : whyRefused(compared);
    case 'unknown':
      return null;
  }
}

function whyDirect(compared: Compared): readonly ClassName[] | null {
  const { machine, verdict, client, provider } = compared;
  if (verdict.rule === 'no-common-upstream') {
    return client.device === provider.device && client.device.bus.kind === 'root' ? ['EC-009'] : null;
  }
  if (verdict.rule !== 'acs-redirect') {
    return null;
  }
  const classes = verdict.redirects.map((bdf) => whyNotMet(compared, functionOf(machine, bdf)));
  return classes.some((name) => name === null) ? null : (classes as ClassName[]);
}

/** Why a request went straight although the kernel counts this function's redirect. */
function whyNotMet({ verdict, client, provider, isWrite }: Compared, fn: FabricFunction): ClassName | null {
  if (fn === client && fn === provider) {
    return 'EC-002';
  }
  if (nameOf(fn) === verdict.common) {
    return fn.kind === 'switch-upstream' ? 'EC-019' : 'EC-008';
  }
  const { acs } = fn.state;
  if (acs === null) {
    return null;
  }
  if (fn === provider || bridgesAbove(provider).includes(fn)) {
    const isJustCompletions = !acs.requestRedirect && !acs.egressControl;
    // Of a read that went straight the completions did too: CR at the port where they turn would have sent them up.
    const turnsHere = turningFunction(provider, verdict) === fn;
    if (!isWrite && turnsHere && acs.completionRedirect && !client.device.usesRelaxedOrdering) {
      return null;
    }
    return isJustCompletions ? 'EC-015' : 'EC-018';
  }
  if (turningFunction(client, verdict) !== fn || isElsewhere(fn, provider)) {
    return acs.requestRedirect || acs.egressControl ? 'EC-014' : 'EC-015';
  }
  if (!acs.requestRedirect && !acs.egressControl) {
    return 'EC-015';
  }
  if (acs.directTranslated && client.state.enablesAts) {
    return 'DT';
  }
  return acs.egressControl && !isNamed(fn, turningFunction(provider, verdict)) ? 'EC-016 allows' : null;
}

/** A function below the common bridge, on the bus of that bridge: the last one before the turn. */
function turningFunction(from: FabricFunction, verdict: KernelVerdict): FabricFunction {
  const chain = [from, ...bridgesAbove(from)];
  const at = chain.findIndex((fn) => nameOf(fn) === verdict.common);
  return chain[Math.max(0, at - 1)]!;
}

/** A function of an endpoint decides only about its own device. */
function isElsewhere(fn: FabricFunction, provider: FabricFunction): boolean {
  return fn.secondaryBus === null && fn.device !== provider.device;
}

function isNamed(ingress: FabricFunction, egress: FabricFunction): boolean {
  const number = egress.state.bridge?.portNumber ?? egress.number;
  const dword = ingress.state.acs?.egressVector[number >>> 5] ?? 0;
  return ((dword >>> (number & 31)) & 1) === 1;
}

/** Hardware carried it through the root complex (or round a port on the way there), the kernel refuses. */
function whyRefused({ verdict }: Compared): readonly ClassName[] | null {
  switch (verdict.hostBridge?.by) {
    case 'not-in-this-kernel':
      return ['EC-020 old'];
    case 'iommu-present':
      return ['EC-037'];
    case 'same-host-bridge-required':
      return ['EC-025'];
    case 'no-representative':
      return ['EC-029'];
    case 'not-listed':
      return ['EC-023'];
    default:
      return null;
  }
}

/** The kernel hands out an address, and the request was lost. The first reason on the way. */
function whyLost(compared: Compared): readonly ClassName[] | null {
  const { machine, verdict, client, provider, isWrite, isUnmapped } = compared;
  const [up, down] = [bridgesAbove(client), bridgesAbove(provider)];
  if ([client, provider, ...up, ...down].some((fn) => !fn.state.isD0)) {
    return ['EC-184'];
  }
  if (!client.state.canMaster || up.some((fn) => !fn.state.canMaster)) {
    return ['bus master'];
  }
  if (!provider.state.decodesMemory || down.some((fn) => !fn.state.decodesMemory)) {
    return ['EC-075'];
  }
  if (client.state.enablesAts && isTranslationBlocked(client)) {
    return ['EC-040'];
  }
  if (client.state.enablesAts && isUnmapped) {
    return ['EC-130'];
  }
  const ingress = verdict.common == null ? [client, ...up].at(-1)! : turningFunction(client, verdict);
  const egress = verdict.common == null ? [provider, ...down].at(-1)! : turningFunction(provider, verdict);
  const { acs } = ingress.state;
  const isBlocked = acs?.egressControl === true && !acs.requestRedirect && isNamed(ingress, egress);
  if (isBlocked) {
    return [verdict.common == null ? 'EC-021' : 'EC-016 blocks'];
  }
  if (
    verdict.mapType === 'thru-host-bridge' &&
    !rootComplexPasses(machine.lab, machine, client, provider, isWrite)
  ) {
    return [verdict.hostBridge?.by === 'cpu' ? 'EC-032' : 'EC-024'];
  }
  return null;
}
