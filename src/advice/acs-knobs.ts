/** What the kernel parameters for ACS do in a version, in the words of a fix and of lint. The facts are `knobsFor`'s. */
import { type KernelVersion, type KnobEffect, knobsFor, NEWEST_KNOWN_RELEASE } from '../p2pdma/index.ts';

export interface AcsKnob {
  /**
   * `works` as documented; `mangled`: it does something else; `absent`: this kernel does not know it; `unknown`: the
   * version is not known, or lies between two that were read and differ.
   */
  readonly state: 'works' | 'mangled' | 'absent' | 'unknown';
  readonly note: string;
}

export interface AcsKnobs {
  readonly disableAcsRedir: AcsKnob;
  readonly configAcs: AcsKnob;
}

const REDIR_NOTES: Readonly<Record<KnobEffect, string>> = {
  absent: 'disable_acs_redir came with 4.20',
  'clears-redirect': 'clears RR, CR and EC of these functions and leaves the other bits',
  'from-firmware':
    'from 6.17 on it starts from the word of the firmware: source validation and upstream forwarding that the kernel had added go as well',
  mangled:
    '6.11 to 6.14 put the redirect bits back to what firmware had set instead of clearing them, and set all other bits of the word',
};

const CONFIG_NOTES: Readonly<Record<KnobEffect, string>> = {
  absent: 'config_acs came with 6.11',
  'clears-redirect': 'config_acs came with 6.11',
  'from-firmware': 'sets every named bit, so the other isolation can be kept as it is',
  mangled:
    '6.11 to 6.14 let a 0 undo only what the kernel had added, never what firmware had set, and take the flags of the first device only',
};

/** @param version  undefined when not known: then nothing is said to work */
export function acsKnobs(version: KernelVersion | undefined): AcsKnobs {
  if (version === undefined) {
    const unknown: AcsKnob = {
      state: 'unknown',
      note: 'the kernel version is not known, and 6.11 to 6.14 mangle this option: name it with --kernel',
    };
    return { disableAcsRedir: unknown, configAcs: unknown };
  }
  const knobs = knobsFor(version);
  return {
    disableAcsRedir: knobOf(knobs.disableAcsRedir, REDIR_NOTES, knobs.isAssumed),
    configAcs: knobOf(knobs.configAcs, CONFIG_NOTES, knobs.isAssumed),
  };
}

function knobOf(
  effects: readonly KnobEffect[],
  notes: Readonly<Record<KnobEffect, string>>,
  isAssumed: boolean,
): AcsKnob {
  const [effect] = effects;
  if (effects.length > 1 || effect === undefined) {
    return {
      state: 'unknown',
      note: 'this version was not read, and those around it differ: look at the ACS words after the boot',
    };
  }
  const state = effect === 'absent' ? 'absent' : effect === 'mangled' ? 'mangled' : 'works';
  const newer = `; said of ${NEWEST_KNOWN_RELEASE}, and this version is newer: look at the ACS words after the boot`;
  return { state, note: `${notes[effect]}${isAssumed ? newer : ''}` };
}
