/** `bars:` by index; a BAR is `64M`, `64M 32-bit`, `16G 64-bit prefetchable`, or a block. */
import * as z from 'zod';
import {
  block,
  choice,
  flag,
  isPowerOfTwo,
  listOf,
  NOT_TAKEN,
  powerOfTwo,
  printSize,
  readSize,
  scalar,
  shortForms,
} from './field.ts';
import type { LabBar } from './lab-function.ts';
import { shown } from './problems.ts';
import type { LabBlock, LabValue } from './values.ts';

/** Largest BAR that a machine with 52 address bits could hold. */
const BAR_BYTES_MAX = 2 ** 49;
const BAR32_BYTES_MAX = 2 ** 31;
const IO_BYTES_MAX = 256;
/** PCIe Base 6.0, 7.8.6: from 1 MiB on. */
const RESIZABLE_MIN = 2 ** 20;

/** `256M`, or `256M..32G` for all powers of two from one to the other. */
const resizableSizes = () =>
  scalar(
    'size or range like 256M..32G; powers of two from 1 MiB on',
    (text) => {
      const ends = text.split('..');
      const first = readSize(ends[0]!);
      const last = ends.length === 1 ? first : readSize(ends[1]!);
      if (ends.length > 2 || first === NOT_TAKEN || last === NOT_TAKEN) {
        return NOT_TAKEN;
      }
      const fits = isPowerOfTwo(first) && isPowerOfTwo(last) && first >= RESIZABLE_MIN;
      if (!fits || last < first || last > BAR_BYTES_MAX) {
        return NOT_TAKEN;
      }
      const sizes: number[] = [];
      for (let size = first; size <= last; size *= 2) {
        sizes.push(size);
      }
      return sizes;
    },
    { type: ['string', 'integer'], examples: ['256M..32G', '64M'] },
  );

const barBlock = block({
  size: powerOfTwo(4, BAR_BYTES_MAX).meta({ description: 'Length at reset, a power of two.' }),
  kind: choice(['memory', 'io']).prefault('memory').meta({ description: 'Memory or I/O ports.' }),
  width: choice(['32', '64']).optional().meta({
    description: 'Bits of the address; a 64-bit BAR takes the next index too. Default: 64; I/O has 32.',
  }),
  prefetchable: flag().optional().meta({
    description: 'Prefetchable. Default: yes for a 64-bit BAR, no for a 32-bit one.',
  }),
  resizable: listOf(resizableSizes(), 40)
    .optional()
    .meta({ description: 'Sizes of the Resizable BAR capability, as a list or a range: `256M..32G`.' }),
});

const WORDS: Readonly<Record<string, LabBlock>> = {
  '32-bit': { width: '32' },
  '64-bit': { width: '64' },
  prefetchable: { prefetchable: 'yes' },
  'non-prefetchable': { prefetchable: 'no' },
  io: { kind: 'io' },
};
const WORD_NAMES = Object.keys(WORDS).join(', ');

function expandBar(text: string): LabBlock | typeof NOT_TAKEN {
  const words = text.trim().split(/\s+/);
  let result: LabBlock = { size: words[0] ?? '' };
  for (const word of words.slice(1)) {
    if (!Object.hasOwn(WORDS, word)) {
      return NOT_TAKEN;
    }
    result = { ...result, ...WORDS[word] };
  }
  return result;
}

function bar(index: number) {
  const schema = z
    .unknown()
    .transform((value, context): unknown => {
      const expanded = typeof value === 'string' ? expandBar(value) : value;
      if (expanded === NOT_TAKEN) {
        const message = `${shown(String(value))} is no BAR; a size, then words of: ${WORD_NAMES}`;
        context.issues.push({ code: 'custom', message, input: value });
        return z.NEVER;
      }
      return expanded;
    })
    .pipe(barBlock)
    .transform((raw, context): LabBar => {
      const is64Bit = raw.kind === 'memory' && raw.width !== '32';
      const sizes = raw.resizable?.flat();
      const wrong = wrongWith(index, raw.kind, raw.width, is64Bit, raw.size, sizes);
      if (wrong !== undefined) {
        context.issues.push({ code: 'custom', message: wrong, input: raw, params: { code: 'LAB_BAR' } });
        return z.NEVER;
      }
      return {
        index,
        kind: raw.kind,
        is64Bit,
        isPrefetchable: raw.kind === 'memory' && (raw.prefetchable ?? is64Bit),
        sizeBytes: raw.size,
        resizableBytes: sizes === undefined ? null : [...new Set(sizes)].sort((a, b) => a - b),
      };
    });
  shortForms.set(schema, {
    short: {
      title: 'size and words like 64M, 16K 32-bit, 16G prefetchable',
      type: ['string', 'integer'],
      examples: ['64M', '16K 32-bit', '16G 64-bit prefetchable'],
    },
    long: barBlock,
    expand: (word) => {
      const expanded = expandBar(word);
      return expanded === NOT_TAKEN ? undefined : expanded;
    },
    shared: 'bar',
  });
  return schema;
}

function wrongWith(
  index: number,
  kind: 'memory' | 'io',
  width: string | undefined,
  is64Bit: boolean,
  sizeBytes: number,
  resizable: readonly number[] | undefined,
): string | undefined {
  const sizeText = printSize(sizeBytes);
  if (kind === 'io') {
    return sizeBytes > IO_BYTES_MAX || width === '64' || resizable !== undefined
      ? `an I/O BAR has 4 to ${IO_BYTES_MAX} bytes, 32 bits and one size`
      : undefined;
  }
  if (sizeBytes < 16) {
    return 'a memory BAR has at least 16 bytes';
  }
  if (is64Bit && index === 5) {
    return 'BAR 5 has no next one to hold the upper half; write 32-bit';
  }
  if (!is64Bit && Math.max(sizeBytes, ...(resizable ?? [])) > BAR32_BYTES_MAX) {
    return `a 32-bit BAR has at most 2G, not ${sizeText}`;
  }
  return resizable !== undefined && !resizable.includes(sizeBytes)
    ? `${sizeText} is not among the sizes of \`resizable\``
    : undefined;
}

const INDICES = [0, 1, 2, 3, 4, 5] as const;

/** All BARs of a function, in order of index. */
export const bars = () => BARS;

const BARS = barsSchema();

function barsSchema() {
  const shape = Object.fromEntries(
    INDICES.map((index) => [
      String(index),
      bar(index)
        .optional()
        .meta({ description: `BAR ${index}.` }),
    ]),
  ) as Record<string, z.ZodOptional<ReturnType<typeof bar>>>;
  const long = block(shape);
  const schema = long.transform((raw, context): readonly LabBar[] => {
    const list = INDICES.flatMap((index) => raw[String(index)] ?? []);
    const clash = list.find((each) => each.is64Bit && list.some((other) => other.index === each.index + 1));
    if (clash !== undefined) {
      context.issues.push({
        code: 'custom',
        message: `BAR ${clash.index + 1} is the upper half of BAR ${clash.index}, which is 64-bit`,
        input: raw,
        params: { code: 'LAB_BAR' },
      });
      return z.NEVER;
    }
    return list;
  });
  shortForms.set(schema, { long, shared: 'bars' });
  return schema;
}

function printBar(value: LabBar): LabValue {
  const words = [
    printSize(value.sizeBytes),
    ...(value.kind === 'io' ? ['io'] : []),
    ...(value.kind === 'memory' && !value.is64Bit ? ['32-bit'] : []),
    ...(value.kind === 'memory' && !value.is64Bit && value.isPrefetchable ? ['prefetchable'] : []),
    ...(value.is64Bit && !value.isPrefetchable ? ['non-prefetchable'] : []),
  ];
  if (value.resizableBytes === null) {
    return words.join(' ');
  }
  return {
    size: printSize(value.sizeBytes),
    ...(value.is64Bit ? {} : { width: '32' }),
    ...(value.isPrefetchable === value.is64Bit ? {} : { prefetchable: value.isPrefetchable ? 'yes' : 'no' }),
    resizable: printRange(value.resizableBytes),
  };
}

function printRange(sizes: readonly number[]): LabValue {
  const isRange = sizes.length > 1 && sizes.every((size, i) => i === 0 || size === sizes[i - 1]! * 2);
  return isRange ? `${printSize(sizes[0]!)}..${printSize(sizes.at(-1)!)}` : sizes.map(printSize);
}

export function printBars(list: readonly LabBar[]): LabBlock {
  return Object.fromEntries(list.map((each) => [String(each.index), printBar(each)]));
}
