/**
 * What Access Control Services say of one request or completion: pure decisions on decoded state. PCIe Base 6.0, 6.12.
 *
 * Leaves out: function groups (ARI) and I/O request blocking, for which there are no I/O requests here.
 */
import type { AcsState } from './function-state.ts';

/** Address Type of a request. PCIe Base 6.0, 10.2.1. */
export const ADDRESS_TYPE = { UNTRANSLATED: 0, TRANSLATION_REQUEST: 1, TRANSLATED: 2 } as const;
export type AddressType = (typeof ADDRESS_TYPE)[keyof typeof ADDRESS_TYPE];

/** Where peer-to-peer traffic goes from a control point. */
export const PEER = {
  /** Straight to the peer. */
  DIRECT: 0,
  /** Up, to be judged by the root complex. */
  REDIRECT: 1,
  /** Nowhere: an ACS violation. */
  VIOLATION: 2,
} as const;
export type Peer = (typeof PEER)[keyof typeof PEER];

/**
 * 6.12.1.1, Source Validation: a request that comes up through a downstream port carries a bus number of what is below it.
 */
export function isSourceValid(
  acs: AcsState | null,
  requesterId: number,
  secondary: number,
  subordinate: number,
): boolean {
  if (acs?.sourceValidation !== true) {
    return true;
  }
  const bus = requesterId >>> 8;
  return bus >= secondary && bus <= subordinate;
}

/** 6.12.1.1, Translation Blocking: only untranslated requests come up through the port. */
export function isTranslationBlocked(acs: AcsState | null, addressType: AddressType): boolean {
  return acs?.translationBlocking === true && addressType !== ADDRESS_TYPE.UNTRANSLATED;
}

/**
 * A request from one peer to another: ports of a switch, root ports, functions of a device.
 *
 * Request Redirect sends it up. Egress Control narrows that to the egress ports (functions) whose bit is set, and blocks
 * these when Request Redirect is off. Direct Translated P2P exempts translated requests from both. 6.12.3.
 *
 * @param egressIndex  Port Number of the egress port, or function number of the peer
 */
export function peerRequest(acs: AcsState | null, addressType: AddressType, egressIndex: number): Peer {
  if (acs === null) {
    return PEER.DIRECT;
  }
  if (acs.directTranslated && addressType === ADDRESS_TYPE.TRANSLATED) {
    return PEER.DIRECT;
  }
  if (acs.egressControl) {
    if (!isEgressControlled(acs, egressIndex)) {
      return PEER.DIRECT;
    }
    return acs.requestRedirect ? PEER.REDIRECT : PEER.VIOLATION;
  }
  return acs.requestRedirect ? PEER.REDIRECT : PEER.DIRECT;
}

/** Completion Redirect: read completions between peers go up, unless relaxed ordering lets them pass. 6.12.1.1. */
export function isCompletionRedirected(acs: AcsState | null, isRelaxed: boolean): boolean {
  return acs?.completionRedirect === true && !isRelaxed;
}

/** DSP and USP Memory Target Access Control: requests to memory of the switch's own ports. 7.7.11.3. */
export function memoryTarget(control: number): Peer {
  return control === 1 ? PEER.VIOLATION : control === 2 ? PEER.REDIRECT : PEER.DIRECT;
}

function isEgressControlled(acs: AcsState, index: number): boolean {
  const dword = acs.egressVector[index >>> 5];
  return dword !== undefined && ((dword >>> (index & 31)) & 1) === 1;
}
