import { describe, expect, it } from 'vitest';
import {
  ADDRESS_TYPE,
  isCompletionRedirected,
  isSourceValid,
  isTranslationBlocked,
  memoryTarget,
  PEER,
  peerRequest,
} from '../../../src/fabric/routing/acs.ts';
import type { AcsState } from '../../../src/fabric/routing/function-state.ts';

const OFF: AcsState = {
  sourceValidation: false,
  translationBlocking: false,
  requestRedirect: false,
  completionRedirect: false,
  upstreamForwarding: false,
  egressControl: false,
  directTranslated: false,
  unclaimedRedirect: false,
  downstreamTargets: 0,
  upstreamTargets: 0,
  egressVector: new Uint32Array(8),
};
const { UNTRANSLATED, TRANSLATION_REQUEST, TRANSLATED } = ADDRESS_TYPE;

function acs(change: Partial<AcsState>): AcsState {
  return { ...OFF, ...change };
}

/** Egress control vector with one bit set. */
function vector(bit: number): Uint32Array {
  const dwords = new Uint32Array(8);
  dwords[bit >>> 5] = (1 << (bit & 31)) >>> 0;
  return dwords;
}

describe('ACS peer-to-peer requests (PCIe Base 6.0, 6.12.1.1 and 6.12.3)', () => {
  it('go straight to the peer without ACS, and with nothing enabled', () => {
    expect(peerRequest(null, UNTRANSLATED, 3)).toBe(PEER.DIRECT);
    expect(peerRequest(OFF, UNTRANSLATED, 3)).toBe(PEER.DIRECT);
  });

  it.each([
    // egress control, request redirect, vector bit of the egress port, outcome
    [false, false, 0, PEER.DIRECT],
    [false, false, 1, PEER.DIRECT],
    [false, true, 0, PEER.REDIRECT],
    [false, true, 1, PEER.REDIRECT],
    [true, false, 0, PEER.DIRECT],
    [true, false, 1, PEER.VIOLATION],
    [true, true, 0, PEER.DIRECT],
    [true, true, 1, PEER.REDIRECT],
  ])('with EC %s, RR %s and vector bit %i end in %i', (egressControl, requestRedirect, bit, outcome) => {
    const state = acs({ egressControl, requestRedirect, egressVector: vector(bit === 1 ? 37 : 36) });
    expect(peerRequest(state, UNTRANSLATED, 37)).toBe(outcome);
  });

  it('are exempt from both when translated and Direct Translated P2P is enabled', () => {
    const state = acs({
      requestRedirect: true,
      egressControl: true,
      directTranslated: true,
      egressVector: vector(5),
    });
    expect(peerRequest(state, TRANSLATED, 5)).toBe(PEER.DIRECT);
    expect(peerRequest(state, UNTRANSLATED, 5)).toBe(PEER.REDIRECT);
    expect(peerRequest({ ...state, directTranslated: false }, TRANSLATED, 5)).toBe(PEER.REDIRECT);
  });

  it('to a port beyond the vector are not controlled', () => {
    const state = acs({ egressControl: true, egressVector: new Uint32Array([0xffff_ffff]) });
    expect(peerRequest(state, UNTRANSLATED, 31)).toBe(PEER.VIOLATION);
    expect(peerRequest(state, UNTRANSLATED, 32)).toBe(PEER.DIRECT);
  });
});

describe('the other services (6.12.1.1)', () => {
  it('Source Validation takes requester IDs of the buses below, and of no others', () => {
    const state = acs({ sourceValidation: true });
    expect(isSourceValid(state, 0x0300, 3, 5)).toBe(true);
    expect(isSourceValid(state, 0x05ff, 3, 5)).toBe(true);
    expect(isSourceValid(state, 0x0600, 3, 5)).toBe(false);
    expect(isSourceValid(state, 0x02ff, 3, 5)).toBe(false);
    expect(isSourceValid(OFF, 0x0600, 3, 5)).toBe(true);
    expect(isSourceValid(null, 0x0600, 3, 5)).toBe(true);
  });

  it('Translation Blocking stops translation requests and translated requests', () => {
    const state = acs({ translationBlocking: true });
    expect(isTranslationBlocked(state, UNTRANSLATED)).toBe(false);
    expect(isTranslationBlocked(state, TRANSLATION_REQUEST)).toBe(true);
    expect(isTranslationBlocked(state, TRANSLATED)).toBe(true);
    expect(isTranslationBlocked(OFF, TRANSLATED)).toBe(false);
  });

  it('Completion Redirect spares completions with relaxed ordering', () => {
    const state = acs({ completionRedirect: true });
    expect(isCompletionRedirected(state, false)).toBe(true);
    expect(isCompletionRedirected(state, true)).toBe(false);
    expect(isCompletionRedirected(acs({ requestRedirect: true }), false)).toBe(false);
  });

  it('Memory Target Access Control opens, blocks or redirects', () => {
    expect([0, 1, 2].map(memoryTarget)).toEqual([PEER.DIRECT, PEER.VIOLATION, PEER.REDIRECT]);
  });
});
