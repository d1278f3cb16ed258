/** A job with one typed value for each option, its defaults, and how the text of each option becomes its value. */
import {
  type Extent,
  type KbBase,
  type Parsed,
  parseBlockSizes,
  parseBoolean,
  parseBytes,
  parseExtent,
  parseInteger,
  parseSwitch,
  parseTime,
} from './values.ts';

export type FioVerify = 'none' | 'crc32c';

export interface FioJob {
  readonly name: string;
  readonly description: string | undefined;
  /** Of its section. */
  readonly line: number;
  readonly filename: string | undefined;
  /** As fio spells it, with `rw` for its alias. */
  readonly rw: string;
  readonly reads: boolean;
  readonly writes: boolean;
  readonly isRandom: boolean;
  /** 100 and 0 where there is no mix. */
  readonly readPercent: number;
  readonly readBytes: number;
  readonly writeBytes: number;
  readonly iodepth: number;
  readonly numjobs: number;
  /** Undefined: to the end. */
  readonly size: Extent | undefined;
  readonly offset: Extent;
  readonly offsetIncrement: Extent;
  /** Bytes to move in place of `size`. */
  readonly ioBytes: number | undefined;
  readonly iosMax: number | undefined;
  readonly loops: number;
  readonly runtimeNs: number | undefined;
  /** Never without `runtimeNs`. */
  readonly isTimeBased: boolean;
  /** What follows `mmapshared:`; null: host memory. */
  readonly peerMemory: string | null;
  readonly verify: FioVerify;
  readonly readsBack: boolean;
  readonly seed: number;
  readonly isMapped: boolean;
  readonly zeroBuffers: boolean;
  readonly endFsync: boolean;
  readonly groupReporting: boolean;
  readonly newGroup: boolean;
  readonly stonewall: boolean;
  readonly exitAll: boolean;
  readonly ioengine: string;
  /** As written in the job's own section. */
  readonly options: Readonly<Record<string, string>>;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
/** A job under construction: what is derived from several options comes last. */
export type Draft = Mutable<Omit<FioJob, 'reads' | 'writes' | 'isRandom'>> & { kbBase: KbBase };

const IODEPTH_MAX = 4096;
const NUMJOBS_MAX = 1024;
/** fio's own default seed differs; ours only has to be the same every time. */
const DEFAULT_SEED = 1;

/** As fio's, where it has the option. */
export const DEFAULTS: Draft = {
  name: '',
  description: undefined,
  line: 0,
  filename: undefined,
  rw: 'read',
  readPercent: 50,
  readBytes: 4096,
  writeBytes: 4096,
  iodepth: 1,
  numjobs: 1,
  size: undefined,
  offset: { bytes: 0 },
  offsetIncrement: { bytes: 0 },
  ioBytes: undefined,
  iosMax: undefined,
  loops: 1,
  runtimeNs: undefined,
  isTimeBased: false,
  peerMemory: null,
  verify: 'none',
  readsBack: true,
  seed: DEFAULT_SEED,
  isMapped: true,
  zeroBuffers: false,
  endFsync: false,
  groupReporting: false,
  newGroup: false,
  stonewall: false,
  exitAll: false,
  ioengine: 'psync',
  options: {},
  kbBase: 1024,
};

/** Puts a value into the draft. @returns what is wrong with it */
type Setter = (draft: Draft, text: string | undefined) => string | undefined;

/** An option that needs a value. */
function valued<T>(
  parse: (text: string, draft: Draft) => Parsed<T>,
  put: (draft: Draft, value: T) => void,
): Setter {
  return (draft, text) => {
    if (text === undefined) {
      return 'it needs a value';
    }
    const parsed = parse(text, draft);
    if ('problem' in parsed) {
      return parsed.problem;
    }
    put(draft, parsed.value);
    return undefined;
  };
}

function switched(put: (draft: Draft, isOn: boolean) => void): Setter {
  return (draft, text) => {
    const parsed = parseSwitch(text);
    if ('problem' in parsed) {
      return parsed.problem;
    }
    put(draft, parsed.value);
    return undefined;
  };
}

const whole =
  (min: number, max: number) =>
  (text: string): Parsed<number> =>
    parseInteger(text, min, max);
const extent = (text: string, draft: Draft): Parsed<Extent> => parseExtent(text, draft.kbBase);
const plain = (text: string): Parsed<string> => ({ value: text });

/** By name of the option; one for each that is used. */
export const SETTERS: Readonly<Record<string, Setter>> = {
  name: valued(plain, (draft, value) => {
    draft.name = value;
  }),
  description: valued(plain, (draft, value) => {
    draft.description = value;
  }),
  filename: valued(parseFilename, (draft, value) => {
    draft.filename = value;
  }),
  rw: valued(parseDirection, (draft, value) => {
    draft.rw = value;
  }),
  rwmixread: valued(whole(0, 100), (draft, value) => {
    draft.readPercent = value;
  }),
  rwmixwrite: valued(whole(0, 100), (draft, value) => {
    draft.readPercent = 100 - value;
  }),
  bs: valued(
    (text, draft) => parseBlockSizes(text, draft.kbBase),
    (draft, value) => {
      draft.readBytes = value.readBytes;
      draft.writeBytes = value.writeBytes;
    },
  ),
  size: valued(extent, (draft, value) => {
    draft.size = 'bytes' in value && value.bytes === 0 ? undefined : value;
  }),
  io_size: valued(
    (text, draft) => parseBytes(text, draft.kbBase),
    (draft, value) => {
      // As in fio, 0 is the same as not given.
      draft.ioBytes = value === 0 ? undefined : value;
    },
  ),
  number_ios: valued(whole(1, Number.MAX_SAFE_INTEGER), (draft, value) => {
    draft.iosMax = value;
  }),
  loops: valued(whole(1, 1_000_000), (draft, value) => {
    draft.loops = value;
  }),
  offset: valued(extent, (draft, value) => {
    draft.offset = value;
  }),
  offset_increment: valued(extent, (draft, value) => {
    draft.offsetIncrement = value;
  }),
  iodepth: valued(whole(1, IODEPTH_MAX), (draft, value) => {
    draft.iodepth = value;
  }),
  numjobs: valued(whole(1, NUMJOBS_MAX), (draft, value) => {
    draft.numjobs = value;
  }),
  runtime: valued(parseTime, (draft, value) => {
    draft.runtimeNs = value === 0 ? undefined : value;
  }),
  time_based: switched((draft, isOn) => {
    draft.isTimeBased = isOn;
  }),
  iomem: valued(parseMemory, (draft, value) => {
    draft.peerMemory = value;
  }),
  verify: valued(parseVerify, (draft, value) => {
    draft.verify = value;
  }),
  do_verify: valued(parseBoolean, (draft, value) => {
    draft.readsBack = value;
  }),
  randseed: valued(whole(0, Number.MAX_SAFE_INTEGER), (draft, value) => {
    draft.seed = value;
  }),
  norandommap: switched((draft, isOn) => {
    draft.isMapped = !isOn;
  }),
  zero_buffers: switched((draft, isOn) => {
    draft.zeroBuffers = isOn;
  }),
  end_fsync: valued(parseBoolean, (draft, value) => {
    draft.endFsync = value;
  }),
  group_reporting: switched((draft, isOn) => {
    draft.groupReporting = isOn;
  }),
  new_group: switched((draft, isOn) => {
    draft.newGroup = isOn;
  }),
  stonewall: switched((draft, isOn) => {
    draft.stonewall = isOn;
  }),
  exitall: switched((draft, isOn) => {
    draft.exitAll = isOn;
  }),
  kb_base: valued(parseKbBase, (draft, value) => {
    draft.kbBase = value;
  }),
};

/** Of options without an effect that fio gives 0 or 1 and nothing else. */
export const IGNORED_CHECKS: Readonly<Record<string, Setter>> = Object.fromEntries(
  ['direct', 'buffered', 'randrepeat', 'invalidate'].map((name) => [name, valued(parseBoolean, () => {})]),
);

function parseKbBase(text: string): Parsed<KbBase> {
  return text === '1000'
    ? { value: 1000 }
    : text === '1024'
      ? { value: 1024 }
      : { problem: `\`${text}\` is neither 1000 nor 1024` };
}

const DIRECTIONS = ['read', 'write', 'randread', 'randwrite', 'rw', 'readwrite', 'randrw'];

function parseDirection(text: string): Parsed<string> {
  if (DIRECTIONS.includes(text)) {
    return { value: text === 'readwrite' ? 'rw' : text };
  }
  return {
    problem: text.includes(':')
      ? `\`${text}\`: modifiers after a colon are not supported`
      : /trim/.test(text)
        ? `\`${text}\`: trim is not supported`
        : `\`${text}\` is none of ${DIRECTIONS.join(', ')}`,
  };
}

function parseVerify(text: string): Parsed<FioVerify> {
  return text === 'crc32c'
    ? { value: 'crc32c' }
    : text === '0'
      ? { value: 'none' }
      : { problem: `\`${text}\` is neither 0 nor crc32c` };
}

const ADDRESS = /^(?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[0-1][0-9a-f]\.[0-7]$/i;

/** fio separates several files by colons, and a colon of a name is written with a backslash. */
function parseFilename(text: string): Parsed<string> {
  if (/(?<!\\):/.test(text) && !ADDRESS.test(text)) {
    return { problem: `\`${text}\` are several files, and a job has one` };
  }
  return { value: text.replaceAll('\\:', ':') };
}

function parseMemory(text: string): Parsed<string | null> {
  if (text === 'malloc') {
    return { value: null };
  }
  const path = /^mmapshared:(.+)$/.exec(text)?.[1];
  return path === undefined
    ? { problem: `\`${text}\` is neither malloc nor mmapshared:PATH` }
    : { value: path };
}
