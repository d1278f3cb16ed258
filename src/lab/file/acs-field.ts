/** `acs:` in its forms: a word, the letters that are set, a value of the register, or a block of all that can be said. */
import * as z from 'zod';
import { block, choice, count, listOf, NOT_TAKEN, shortForms } from './field.ts';
import { ACS_BITS, type LabAcs, type LabAcsBit } from './lab-function.ts';
import { didYouMean, shown } from './problems.ts';
import type { LabBlock, LabValue } from './values.ts';

/** What ports of servers have; EC is rare. */
const CAPABILITY_DEFAULT: readonly LabAcsBit[] = ['SV', 'TB', 'RR', 'CR', 'UF', 'DT'];
/** What Linux sets when an IOMMU is on (pci_std_enable_acs). */
const CONTROL_ON: readonly LabAcsBit[] = ['SV', 'RR', 'CR', 'UF'];
const WORDS: Readonly<Record<string, LabBlock | null>> = {
  none: null,
  auto: {},
  off: { control: [] },
  on: { control: CONTROL_ON },
};

const bits = () => listOf(choice(ACS_BITS), ACS_BITS.length);

/** A value of ACS Control as letters. */
const control = () => {
  const schema = z
    .unknown()
    .transform((value) => {
      const word = typeof value === 'string' ? readWord(value) : NOT_TAKEN;
      return word === NOT_TAKEN ? value : word;
    })
    .pipe(bits());
  shortForms.set(schema, { short: HEX_JSON, long: bits() });
  return schema;
};

const HEX_JSON = { type: ['string', 'integer'], pattern: '^0[xX][0-9a-fA-F]{1,4}$' };

function readWord(text: string): readonly LabAcsBit[] | typeof NOT_TAKEN {
  const value = /^0x[0-9a-f]{1,4}$/i.test(text) ? Number.parseInt(text, 16) : 0x80;
  return value > 0x7f ? NOT_TAKEN : ACS_BITS.filter((_, bit) => (value & (1 << bit)) !== 0);
}

const acsBlock = block({
  capability: bits().optional().meta({
    description:
      'Bits of the capability register. Default: SV TB RR CR UF DT, and EC where it is used or `egress` is given.',
  }),
  firmware: control()
    .optional()
    .meta({ description: 'What firmware leaves in ACS Control: letters or a value. Default: none.' }),
  control: control()
    .optional()
    .meta({
      description:
        'What stands in ACS Control once the system runs, whoever wrote it: letters or a value. Default: what firmware left ' +
        'and what Linux does to it, which is SV RR CR UF when an IOMMU is on, and as the kernel command line says.',
    }),
  egress: listOf(count(0, 255), 256).optional().meta({
    description:
      'Port numbers (of an endpoint: function numbers) whose bit in the egress control vector is set.',
    default: [],
  }),
});

const ordered = (letters: readonly LabAcsBit[]) => ACS_BITS.filter((bit) => letters.includes(bit));

/** Text to `LabAcs`; null for `none`. */
export const acs = () => ACS;

const ACS = acsSchema();

function acsSchema() {
  const schema = z
    .unknown()
    .transform((value, context): unknown => {
      if (Array.isArray(value)) {
        return { control: value };
      }
      if (typeof value !== 'string') {
        return value;
      }
      const word = value.trim();
      if (Object.hasOwn(WORDS, word.toLowerCase())) {
        return WORDS[word.toLowerCase()];
      }
      if (ACS_BITS.some((bit) => bit === word.toUpperCase()) || readWord(word) !== NOT_TAKEN) {
        return { control: word };
      }
      context.issues.push({
        code: 'custom',
        message: `${shown(word)} is none of none, off, on, auto, letters like [SV, RR, CR, UF], a value like 0x1d${didYouMean(
          word,
          [...Object.keys(WORDS), ...ACS_BITS],
        )}`,
        input: value,
      });
      return z.NEVER;
    })
    .pipe(acsBlock.nullable())
    .transform((raw, context): LabAcs | null => {
      if (raw === null) {
        return null;
      }
      const egress = [...new Set(raw.egress ?? [])].sort((a, b) => a - b);
      const used = [
        ...(raw.firmware ?? []),
        ...(raw.control ?? []),
        ...(egress.length > 0 ? (['EC'] as const) : []),
      ];
      const capability = ordered(
        raw.capability ?? [...CAPABILITY_DEFAULT, ...(used.includes('EC') ? (['EC'] as const) : [])],
      );
      const missing = ordered(used).filter((bit) => !capability.includes(bit));
      if (missing.length > 0) {
        context.issues.push({
          code: 'custom',
          message: `${missing.join(', ')} cannot be set: the capability has only ${capability.join(', ') || 'nothing'}`,
          input: raw,
        });
        return z.NEVER;
      }
      return {
        capability,
        firmware: ordered(raw.firmware ?? []),
        control: raw.control === undefined ? null : ordered(raw.control),
        egress,
      };
    });
  shortForms.set(schema, {
    short: {
      anyOf: [{ enum: [...Object.keys(WORDS)] }, { type: 'array', items: { enum: [...ACS_BITS] } }, HEX_JSON],
    },
    long: acsBlock,
    shared: 'acs',
  });
  return schema;
}

/** The same as a person would write it. */
export function printAcs(value: LabAcs | null): LabValue {
  if (value === null) {
    return 'none';
  }
  const isUsual =
    value.capability.join() === CAPABILITY_DEFAULT.join() &&
    value.firmware.length === 0 &&
    value.egress.length === 0;
  if (isUsual) {
    const control = value.control;
    return control === null
      ? 'auto'
      : control.length === 0
        ? 'off'
        : control.join() === CONTROL_ON.join()
          ? 'on'
          : control;
  }
  return {
    capability: value.capability,
    ...(value.firmware.length === 0 ? {} : { firmware: value.firmware }),
    ...(value.control === null ? {} : { control: value.control }),
    ...(value.egress.length === 0 ? {} : { egress: value.egress.map(String) }),
  };
}
