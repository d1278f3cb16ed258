/**
 * The kinds of value that fields take, as zod schemas: each reads text, says in one sentence what it takes when it is wrong, and
 * carries what the JSON schema for editors says of it.
 *
 * A default is text as a person would write it (`prefault`), so the JSON schema and the documentation show it in that form.
 */
import * as z from 'zod';
import { didYouMean, shown, unknownKey } from './problems.ts';
import { isBlock, type LabBlock } from './values.ts';

/** What a reader of text gives for text that it does not take. */
export const NOT_TAKEN = Symbol('not taken');

/** Short forms of blocks, for the JSON schema: what may stand in place of the block. */
export const shortForms = new WeakMap<object, ShortForm>();

interface ShortForm {
  /** Missing where the block has no short form and stands here for its `shared` name. */
  readonly short?: object;
  readonly long: z.ZodType;
  /** The block that a word stands for; undefined: none. */
  readonly expand?: (word: string) => LabBlock | undefined;
  /** Name of a definition that many fields point to. */
  readonly shared?: string;
}

/**
 * A field that is one word or number.
 *
 * @param takes  ends the sentence "'x' is no …", with the article left out, and may go on after a semicolon
 * @param json  what an editor may know of it
 */
export function scalar<Value>(
  takes: string,
  read: (text: string) => Value | typeof NOT_TAKEN,
  json: Readonly<Record<string, unknown>>,
) {
  return z
    .unknown()
    .transform((value, context): Value => {
      if (typeof value === 'string') {
        const result = read(value.trim());
        if (result !== NOT_TAKEN) {
          return result;
        }
        context.issues.push({ code: 'custom', message: `${shown(value)} is no ${takes}`, input: value });
      } else {
        const what = value === undefined || value === null ? 'a value is missing' : `one value is expected`;
        context.issues.push({ code: 'custom', message: `${what}: ${takes}`, input: value });
      }
      return z.NEVER;
    })
    .meta({ title: takes.split(';')[0]!, ...json });
}

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
  t: 2 ** 40,
  p: 2 ** 50,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
  pib: 2 ** 50,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  pb: 1e15,
};
const SIZE_PATTERN = '^(0[xX][0-9a-fA-F]+|[0-9]+(\\.[0-9]+)?[ ]?([kKmMgGtTpP]([iI]?[bB])?|[bB])?)$';
const SIZE_JSON = { type: ['string', 'integer'], pattern: SIZE_PATTERN };

/** Bytes of `64M`, `4KiB`, `1.5TiB`, `1.92TB`, `0x1000`, `512`; NOT_TAKEN when it is none, or no whole number of bytes. */
export function readSize(text: string): number | typeof NOT_TAKEN {
  const match = /^(?:(0x[0-9a-f]{1,14})|(\d{1,16}(?:\.\d{1,12})?) ?([a-z]{0,3}))$/i.exec(text);
  const unit = match?.[1] === undefined ? UNITS[match?.[3]?.toLowerCase() ?? '?'] : 1;
  if (match === null || unit === undefined) {
    return NOT_TAKEN;
  }
  const bytes = match[1] === undefined ? Number(match[2]) * unit : Number.parseInt(match[1], 16);
  // `1.92TB` is exact in decimal but not in binary.
  const whole = Math.round(bytes);
  return Math.abs(bytes - whole) < 1e-3 && Number.isSafeInteger(whole) ? whole : NOT_TAKEN;
}

/** The shortest exact text: `64M`, `1536G`, `1920GB`. */
export function printSize(bytes: number): string {
  for (const [unit, letter] of [
    [2 ** 40, 'T'],
    [2 ** 30, 'G'],
    [2 ** 20, 'M'],
    [1e12, 'TB'],
    [1e9, 'GB'],
    [1e6, 'MB'],
    [2 ** 10, 'K'],
  ] as const) {
    if (bytes > 0 && bytes % unit === 0) {
      return `${bytes / unit}${letter}`;
    }
  }
  return String(bytes);
}

export function size(min: number, max: number) {
  const range = `${printSize(min)} to ${printSize(max)}`;
  return scalar(
    `size of ${range}; write 64M, 4KiB, 1.5TiB, 1.92TB or bytes`,
    (text) => {
      const bytes = readSize(text);
      return bytes !== NOT_TAKEN && bytes >= min && bytes <= max ? bytes : NOT_TAKEN;
    },
    { ...SIZE_JSON, examples: ['64M', '1.5TiB'] },
  );
}

/** Sizes that a register can hold as a power of two. */
export function powerOfTwo(min: number, max: number) {
  return scalar(
    `power of two from ${printSize(min)} to ${printSize(max)}`,
    (text) => {
      const bytes = readSize(text);
      return bytes !== NOT_TAKEN && bytes >= min && bytes <= max && isPowerOfTwo(bytes) ? bytes : NOT_TAKEN;
    },
    SIZE_JSON,
  );
}

export function isPowerOfTwo(value: number): boolean {
  return value > 0 && Number.isInteger(Math.log2(value));
}

export function count(min: number, max: number) {
  return scalar(
    `whole number from ${min} to ${max}`,
    (text) => {
      const value = /^\d{1,16}$/.test(text) ? Number(text) : -1;
      return value >= min && value <= max ? value : NOT_TAKEN;
    },
    { type: 'integer', minimum: min, maximum: max },
  );
}

/** Hexadecimal as `lspci` prints it. */
export function hex(max: number, what: string) {
  return scalar(
    `${what}; hexadecimal up to ${max.toString(16)}, with or without 0x`,
    (text) => {
      const value = /^(?:0x)?[0-9a-f]{1,8}$/i.test(text) ? Number.parseInt(text, 16) : -1;
      return value >= 0 && value <= max ? value : NOT_TAKEN;
    },
    { type: ['string', 'integer'], pattern: '^(0[xX])?[0-9a-fA-F]{1,8}$' },
  );
}

const FLAGS: Readonly<Record<string, boolean>> = {
  true: true,
  yes: true,
  on: true,
  false: false,
  no: false,
  off: false,
};

export function flag() {
  return scalar(
    'yes or no',
    (text) => (Object.hasOwn(FLAGS, text.toLowerCase()) ? FLAGS[text.toLowerCase()]! : NOT_TAKEN),
    { enum: [true, false, 'yes', 'no', 'on', 'off'] },
  );
}

/** The nearest stands before a list that is long. */
function noneOf(value: string, values: readonly string[]): string {
  const names = values.join(', ');
  const near = didYouMean(value, values);
  return names.length < 120 || near === ''
    ? `${shown(value)} is none of ${names}${near}`
    : `${shown(value)} is not among the words here${near}; allowed: ${names}`;
}

export function choice<const Values extends readonly string[]>(values: Values) {
  const names = values.join(', ');
  return (
    z
      .unknown()
      .transform((value, context): Values[number] => {
        // Letters of registers are known in capitals, words in small.
        const found =
          typeof value === 'string'
            ? values.find((name) => name.toLowerCase() === value.trim().toLowerCase())
            : undefined;
        if (found === undefined) {
          const message =
            typeof value === 'string' ? noneOf(value, values) : `one word is expected: ${names}`;
          context.issues.push({ code: 'custom', message, input: value });
          return z.NEVER;
        }
        return found;
      })
      // An editor takes `4` for a number.
      .meta({ enum: values.flatMap((name) => (/^\d+$/.test(name) ? [name, Number(name)] : [name])) })
  );
}

/** Printable text of one line. */
export function text(max: number, what = 'text') {
  return scalar(
    `${what} of one line with up to ${max} characters`,
    (value) => (value.length <= max && !/[\p{Cc}\p{Cs}\u2028\u2029]/u.test(value) ? value : NOT_TAKEN),
    { type: ['string', 'number', 'boolean'], maxLength: max },
  );
}

/** As many drives print it: ASCII, padded to the length of its field. */
export function asciiText(max: number, what: string) {
  return scalar(
    `${what}; up to ${max} ASCII characters`,
    (value) => (value.length <= max && /^[\x20-\x7e]*$/.test(value) ? value : NOT_TAKEN),
    { type: ['string', 'number'], maxLength: max },
  );
}

const NAME_PATTERN = /^[A-Za-z][A-Za-z0-9_-]{0,31}$/;

export function readName(value: string): string | typeof NOT_TAKEN {
  return NAME_PATTERN.test(value) ? value : NOT_TAKEN;
}

export const NAME_TAKES = 'name; a letter, then letters, digits, _ and -, 32 at most';

export function nameText() {
  return scalar(NAME_TAKES, readName, { type: 'string', pattern: NAME_PATTERN.source });
}

/** `10b5:8747`. */
export function id() {
  return scalar(
    'vendor and device id like 10b5:8747',
    (value) => {
      const match = /^([0-9a-f]{4}):([0-9a-f]{4})$/i.exec(value);
      return match === null
        ? NOT_TAKEN
        : { vendorId: Number.parseInt(match[1]!, 16), deviceId: Number.parseInt(match[2]!, 16) };
    },
    { type: 'string', pattern: '^[0-9a-fA-F]{4}:[0-9a-fA-F]{4}$', examples: ['10b5:8747'] },
  );
}

export const LINK_WIDTHS: readonly number[] = [1, 2, 4, 8, 12, 16, 32];

/** `gen4 x16`. */
export function link() {
  return scalar(
    'link like gen4 x16; gen1 to gen6, x1 to x32',
    (value) => {
      const match = /^gen ?([1-6])[ ,]*x(\d{1,2})$/i.exec(value);
      const width = Number(match?.[2]);
      return match === null || !LINK_WIDTHS.includes(width)
        ? NOT_TAKEN
        : { generation: Number(match[1]), width };
    },
    { type: 'string', pattern: '^[gG]en ?[1-6][ ,]*x(1|2|4|8|12|16|32)$', examples: ['gen4 x16'] },
  );
}

/** `1c.0`, `3` (function 0), `.1` (device 0), hexadecimal as in `lspci`. */
export function deviceAddress() {
  return scalar(
    'device and function like 1c.0, 3 or .1; device 0 to 1f, function 0 to 7, hexadecimal',
    (value) => {
      const match = /^([01]?[0-9a-f])?(?:\.([0-7]))?$/i.exec(value);
      return match === null || value === ''
        ? NOT_TAKEN
        : { device: Number.parseInt(match[1] ?? '0', 16), function: Number(match[2] ?? 0) };
    },
    { type: ['string', 'number'], pattern: '^([01]?[0-9a-fA-F])?(\\.[0-7])?$', examples: ['1c.0', '.1'] },
  );
}

/** A list; one value stands for a list of one. `[]` is a list of none. */
export function listOf<Item extends z.ZodType>(item: Item, max: number, min: 0 | 1 = 0) {
  const most = z.array(item).max(max, { error: `at most ${max} of these` });
  const list = min === 0 ? most : most.min(min, { error: 'at least one of these' });
  const schema = z
    .unknown()
    .transform((value) => (Array.isArray(value) || value === undefined ? value : [value]))
    .pipe(list);
  shortForms.set(schema, { short: {}, long: list });
  oneOrMany.add(schema);
  return schema;
}

/** Of the short forms, those whose short form is one item of the list. */
export const oneOrMany = new WeakSet<object>();

/** A block whose keys are known; complains of others with the nearest that is. */
export function block<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code === 'unrecognized_keys') {
        // One line a key, in the order of `issue.keys`; read.ts takes them apart.
        const keys = issue.keys as readonly string[];
        return keys.map((key) => unknownKey(key, Object.keys(shape))).join('\n');
      }
      return issue.code === 'invalid_type' ? `a block of keys is expected: ${Object.keys(shape)}` : undefined;
    },
  });
}

/** A block that may be written as one word: `cmb: 64M` for `cmb: {size: 64M}`. */
export function shortBlock<Shape extends z.core.$ZodLooseShape>(
  shape: Shape,
  short: object,
  expand: (value: string) => LabBlock,
) {
  const long = block(shape);
  const schema = z
    .unknown()
    .transform((value) => (typeof value === 'string' ? expand(value) : value))
    .pipe(long);
  shortForms.set(schema, { short, long, expand });
  return schema;
}

/** A block of any keys, all texts: module parameters. */
export function textBlock(keyPattern: RegExp, what: string) {
  return z
    .unknown()
    .transform((value, context): Record<string, string> => {
      const result: Record<string, string> = {};
      const bad = (message: string, path: string[] = []) =>
        context.issues.push({ code: 'custom', message, path, input: value });
      if (!isBlock(value)) {
        bad(`a block of ${what} is expected`);
        return z.NEVER;
      }
      for (const [key, item] of Object.entries(value)) {
        if (!keyPattern.test(key)) {
          bad(`${shown(key)} is none of ${what}`, [key]);
        } else if (typeof item !== 'string' || item.length > 200) {
          bad('one short value is expected', [key]);
        } else {
          result[key] = item;
        }
      }
      return result;
    })
    .meta({ type: 'object', additionalProperties: { type: ['string', 'number', 'boolean'] } });
}
