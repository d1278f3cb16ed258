/**
 * What one port does with a peer request or completion that arrives at it, by its ACS controls (PCIe Base 6.0, 6.12.1 and
 * the tables of 6.12.3). Every bit has its own meaning and direction here, unlike in the kernel's walk.
 *
 * Source Validation is left out on purpose: it stops only requests with a forged requester id.
 */
import { ACS_CAPABILITY, ACS_CONTROL } from '../spec/pcie/index.ts';
import type { MachineFunction } from '../topology/index.ts';
import { ACS_CR, ACS_DT, ACS_EC, ACS_RR, ACS_TB, ACS_UF } from './acs-control.ts';

export type Turn = 'direct' | 'redirected' | 'blocked' | 'unknown';

export interface Decision {
  readonly turn: Turn;
  /** One clause for a person. */
  readonly why: string;
}

/**
 * Whether the requester has ATS enabled, so that its requests may carry translated addresses; undefined when not known.
 * It need not use them for every request: bus addresses of peers that the kernel hands out (map type `bus-addr`) are sent
 * untranslated.
 */
export type Translated = boolean | undefined;

/**
 * A request at its ingress port, aimed at a peer of that port.
 * @param target  number of the peer in the port's egress control vector; undefined when not known
 */
export function requestTurn(
  port: MachineFunction,
  target: number | undefined,
  translated: Translated,
): Decision {
  const { acs, bdf } = port;
  if (acs === null) {
    return { turn: 'direct', why: `${bdf} has no ACS` };
  }
  if (acs === undefined) {
    return { turn: 'unknown', why: `ACS of ${bdf} is not known` };
  }
  if (translated !== false && (acs.control & ACS_TB) !== 0) {
    return translationTurn(port, requestTurn(port, target, false), translated);
  }
  if (translated === undefined && (acs.control & ACS_DT) !== 0) {
    const [yes, no] = [requestTurn(port, target, true), requestTurn(port, target, false)];
    return yes.turn === no.turn ? no : { turn: 'unknown', why: `${bdf}: ${no.why}, or with ATS ${yes.why}` };
  }
  if (translated === true && (acs.control & ACS_DT) !== 0) {
    return { turn: 'direct', why: `${bdf} lets translated requests pass directly (DT)` };
  }
  const redirects = (acs.control & ACS_RR) !== 0;
  if ((acs.control & ACS_EC) === 0) {
    return redirects
      ? { turn: 'redirected', why: `${bdf} redirects peer requests (RR)` }
      : { turn: 'direct', why: `${bdf} does not redirect peer requests` };
  }
  const bit = target === undefined ? undefined : acs.egressVector?.[target];
  if (bit === undefined) {
    const missing = acs.egressVector === null ? 'its egress vector' : 'the number of the target port';
    return { turn: 'unknown', why: `${bdf} has egress control (EC), and ${missing} is not known` };
  }
  if (!bit) {
    return { turn: 'direct', why: `egress vector of ${bdf} allows port ${target}` };
  }
  return redirects
    ? { turn: 'redirected', why: `egress vector of ${bdf} names port ${target}, and RR redirects it` }
    : { turn: 'blocked', why: `egress vector of ${bdf} forbids port ${target} (EC)` };
}

/**
 * A port with Translation Blocking and a requester that may use ATS: what is sent translated ends here, the rest takes its
 * turn, and which of the two it is cannot be read. Known only where the rest ends here as well.
 */
function translationTurn(port: MachineFunction, untranslated: Decision, translated: Translated): Decision {
  if (untranslated.turn === 'blocked') {
    return untranslated;
  }
  const ats = translated === true ? 'has ATS enabled' : 'may have ATS enabled';
  const rest =
    untranslated.why === '' ? 'untranslated ones pass' : `of untranslated ones: ${untranslated.why}`;
  return {
    turn: 'unknown',
    why: `${port.bdf} blocks translated requests (TB), and the requester ${ats}; ${rest}`,
  };
}

/** The values of the two memory target fields; 3 is reserved. */
const TARGET_TURNS: readonly Turn[] = ['direct', 'blocked', 'redirected', 'unknown'];

/**
 * A request at a downstream port, aimed at the BAR of its switch's upstream port or of another downstream port. Only ports
 * with the ACS Enhanced Capability control that (PCIe Base 6.0, 7.7.11.3); for the others the old rules stand, hence null.
 */
export function portMemoryTurn(port: MachineFunction, target: 'upstream' | 'downstream'): Decision | null {
  const { acs, bdf } = port;
  if (acs === undefined) {
    return { turn: 'unknown', why: `ACS of ${bdf} is not known` };
  }
  if (acs === null || ACS_CAPABILITY.ACS_Enhanced_Capability.of(acs.capability) === 0) {
    return null;
  }
  const field =
    target === 'upstream'
      ? ACS_CONTROL.ACS_USP_Memory_Target_Access_Control
      : ACS_CONTROL.ACS_DSP_Memory_Target_Access_Control;
  const turn = TARGET_TURNS[field.of(acs.control)]!;
  return {
    turn,
    why: `${bdf} ${TARGET_WORDS[turn]} requests for the memory of its switch's ${target} port (ACS memory target access control)`,
  };
}

const TARGET_WORDS: Readonly<Record<Turn, string>> = {
  direct: 'allows',
  blocked: 'blocks',
  redirected: 'redirects',
  unknown: 'has a reserved value for',
};

/**
 * A read completion at the completer's ingress port, on its way straight to the requester.
 * Completions of requests with relaxed ordering are not redirected.
 * @param canRelax  the requester may set relaxed ordering; undefined when not known
 */
export function completionTurn(port: MachineFunction, canRelax: boolean | undefined): Decision {
  const { acs, bdf } = port;
  if (acs === null) {
    return { turn: 'direct', why: `${bdf} has no ACS` };
  }
  if (acs === undefined) {
    return { turn: 'unknown', why: `ACS of ${bdf} is not known` };
  }
  if ((acs.control & ACS_CR) === 0) {
    return { turn: 'direct', why: `${bdf} does not redirect completions` };
  }
  const unless = canRelax === false ? '' : ', unless the read was sent with relaxed ordering';
  return { turn: 'redirected', why: `${bdf} redirects completions (CR)${unless}` };
}

/**
 * Something that is on its way up although its target lies below the same port. Upstream Forwarding lets it pass; without
 * it, of a root port and of a switch port alike, what happens is undefined (PCIe Base 6.0, 6.12.1.1).
 */
export function forwardTurn(port: MachineFunction, translated: Translated): Decision {
  const { acs, bdf } = port;
  if (acs === undefined) {
    return { turn: 'unknown', why: `ACS of ${bdf} is not known` };
  }
  if (acs !== null && translated !== false && (acs.control & ACS_TB) !== 0) {
    return translationTurn(port, forwardTurn(port, false), translated);
  }
  if (acs !== null && (acs.control & ACS_UF) !== 0) {
    return { turn: 'redirected', why: `${bdf} forwards upstream (UF)` };
  }
  return {
    turn: 'unknown',
    why: `${bdf} has upstream forwarding (UF) clear; what it does then is not specified`,
  };
}

/** A request that only passes a port on its way to the root complex: nothing but translation blocking concerns it. */
export function passingTurn(port: MachineFunction, translated: Translated): Decision {
  const mayBlock = port.acs === undefined || (port.acs !== null && (port.acs.control & ACS_TB) !== 0);
  if (!mayBlock || translated === false) {
    return { turn: 'direct', why: '' };
  }
  return port.acs === undefined
    ? { turn: 'unknown', why: `whether ${port.bdf} blocks translated requests (TB) is not known` }
    : translationTurn(port, { turn: 'direct', why: '' }, translated);
}
