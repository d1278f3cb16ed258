/** `workload:` from its block to a `LabWorkload`, and back. */
import type { LabFile } from './lab-file.ts';
import type { LabMemoryLoad, LabStream, LabStreamKind, LabWorkload } from './lab-workload.ts';
import { didYouMean, type LabErrorCode, shown } from './problems.ts';
import { printDuration, printRate } from './quantity.ts';
import type { Report } from './report.ts';
import { readStream } from './stream.ts';
import { printStream } from './stream-print.ts';
import { said } from './time-fields.ts';
import { isBlock, type LabBlock, type LabPath, type LabValue } from './values.ts';
import { type WorkloadContext, workloadContext } from './workload-context.ts';
import { STREAM_KINDS, STREAMS_MAX, type WorkloadRaw } from './workload-fields.ts';

const DURATION_PS = 10e9;
const WARM_UP_PS = 1e9;

/** Tells where things are, for problems. */
export interface WorkloadPlaces {
  readonly report: Report;
  /** Of one stream, from its index; -1 where it is not in a list. */
  readonly reportOf: (index: number) => Report;
  /** Remembers where a stream is. */
  readonly found: (stream: LabStream, index: number) => void;
  /** Whose names streams may not have. */
  readonly isTaken: (name: string) => boolean;
}

/** @returns undefined when something was reported */
export function readWorkload(
  raw: WorkloadRaw,
  context: WorkloadContext | null,
  places: WorkloadPlaces,
): LabWorkload | undefined {
  const memoryLoads = readMemoryLoads(raw['memory-load'], context, places.report);
  const streams = readStreams(raw.streams as LabValue | undefined, context, places);
  if (streams === undefined) {
    return undefined;
  }
  const endsAlone = streams.every((stream) => stream.count !== null || stream.sizeBytes !== null);
  const durationPs = raw.duration ?? (endsAlone ? null : DURATION_PS);
  const warmUpPs = raw['warm-up'] ?? (endsAlone ? 0 : WARM_UP_PS);
  let isBad = memoryLoads === undefined;
  streams.forEach((stream, index) => {
    if (durationPs !== null && stream.startPs >= warmUpPs + durationPs) {
      const end = printDuration(warmUpPs + durationPs);
      places.reportOf(index)('LAB_VALUE', ['start'], `start: the run ends at ${end}, warm-up included`);
      isBad = true;
    }
  });
  if (warmUpPs > 0 && streams.every(({ stopPs }) => stopPs !== null && stopPs <= warmUpPs)) {
    const end = printDuration(warmUpPs);
    places.reportOf(Array.isArray(raw.streams) ? 0 : -1)(
      'LAB_VALUE',
      ['stop'],
      `stop: the warm-up lasts until ${end}, and no stream runs after it: nothing would be measured`,
    );
    isBad = true;
  }
  return isBad ? undefined : { durationPs, warmUpPs, memoryLoads: memoryLoads!, streams };
}

function readMemoryLoads(
  raw: WorkloadRaw['memory-load'],
  context: WorkloadContext | null,
  report: Report,
): LabMemoryLoad[] | undefined {
  const seen = new Set<number>();
  let isBad = context === null;
  raw.forEach((each, index) => {
    const path = ['memory-load', index, 'node'];
    const nodes = context?.memoryBytes.length ?? Number.POSITIVE_INFINITY;
    if (each.node >= nodes) {
      const many = `${nodes} node${nodes === 1 ? '' : 's'}, from 0`;
      report('LAB_REFERENCE', path, `memory-load.node: ${each.node} has no memory; \`memory\` lists ${many}`);
      isBad = true;
    } else if (seen.has(each.node)) {
      report('LAB_VALUE', path, `memory-load.node: node ${each.node} stands here twice; add them up`);
      isBad = true;
    }
    seen.add(each.node);
  });
  return isBad
    ? undefined
    : raw.map((each) => ({
        node: each.node,
        readGBs: each.read,
        writeGBs: each.write,
        cores: each.cores ?? null,
      }));
}

function readStreams(
  value: LabValue | undefined,
  context: WorkloadContext | null,
  places: WorkloadPlaces,
): LabStream[] | undefined {
  const isList = Array.isArray(value);
  const items = isList
    ? (value as readonly LabValue[])
    : value === undefined || value === null
      ? []
      : [value];
  if (items.length === 0 || items.length > STREAMS_MAX) {
    const message =
      items.length === 0
        ? 'streams: a workload has at least one, `- read: nvme0`'
        : `streams: at most ${STREAMS_MAX} of these`;
    places.report(items.length === 0 ? 'LAB_STREAM' : 'LAB_TOO_LARGE', ['streams'], message);
    return undefined;
  }
  const explicit = new Set(items.flatMap((item) => nameOf(item) ?? []));
  const names = new Set<string>();
  let isBad = false;
  const streams = items.flatMap((item, position): LabStream[] => {
    const report = places.reportOf(isList ? position : -1);
    const complain = (code: LabErrorCode, path: LabPath, message: string) => {
      isBad = true;
      report(code, path, message);
    };
    const kind = kindOf(item, complain);
    if (kind === undefined) {
      return [];
    }
    const given = nameOf(item);
    const isFree = (name: string) => !names.has(name) && !places.isTaken(name);
    if (given !== undefined && !isFree(given)) {
      const whose = names.has(given) ? 'another stream' : 'a device';
      complain('LAB_NAME', ['name'], `name: '${given}' is the name of ${whose}`);
    }
    const stream = readStream(
      kind,
      item as LabBlock,
      (usual) => nextName(usual, (name) => isFree(name) && !explicit.has(name)),
      context,
      report,
    );
    if (stream === undefined) {
      isBad = true;
      return [];
    }
    names.add(stream.name);
    places.found(stream, isList ? position : -1);
    return [stream];
  });
  return isBad ? undefined : streams;
}

function nameOf(item: LabValue): string | undefined {
  const name = isBlock(item) ? item.name : undefined;
  return typeof name === 'string' ? name.trim() : undefined;
}

/** The name itself, or with the first number from 2 on that makes it free. */
function nextName(usual: string, isFree: (name: string) => boolean): string {
  if (isFree(usual)) {
    return usual;
  }
  for (let number = 2; ; number++) {
    if (isFree(`${usual}-${number}`)) {
      return `${usual}-${number}`;
    }
  }
}

function kindOf(
  item: LabValue,
  complain: (code: LabErrorCode, path: LabPath, message: string) => void,
): LabStreamKind | undefined {
  const all = STREAM_KINDS.join(', ');
  if (!isBlock(item)) {
    complain('LAB_VALUE', [], `a stream is a block of keys like \`read: nvme0\`; kinds: ${all}`);
    return undefined;
  }
  const keys = Object.keys(item);
  const kinds = keys.filter((key) => (STREAM_KINDS as readonly string[]).includes(key));
  if (kinds.length !== 1) {
    const message =
      kinds.length > 1
        ? `one stream is ${kinds.join(' and ')} at once; write a list item for each`
        : `no kind of stream among ${keys.map(shown).join(', ') || 'nothing'}${didYouMean(keys[0] ?? '', STREAM_KINDS)}; kinds: ${all}`;
    complain(kinds.length > 1 ? 'LAB_VALUE' : 'LAB_UNKNOWN_KEY', [], message);
    return undefined;
  }
  return kinds[0] as LabStreamKind;
}

const SILENT: Report = () => {};

/**
 * The text of a workload.
 * @param reduce  takes fields away while the rest reads as the same
 */
export function printWorkload(
  lab: LabFile,
  reduce: (
    full: LabBlock,
    wanted: unknown,
    read: (fields: LabBlock) => unknown,
    keep: readonly string[],
  ) => LabBlock,
): LabBlock {
  const { workload } = lab;
  if (workload === null) {
    return {};
  }
  const context = workloadContext(lab);
  const endsAlone = workload.streams.every((stream) => stream.count !== null || stream.sizeBytes !== null);
  const isUsualDuration = workload.durationPs === (endsAlone ? null : DURATION_PS);
  const usualWarmUp = endsAlone ? 0 : WARM_UP_PS;
  return {
    workload: {
      ...(isUsualDuration ? {} : said('duration', workload.durationPs, printDuration)),
      ...(workload.warmUpPs === usualWarmUp ? {} : { 'warm-up': printDuration(workload.warmUpPs) }),
      ...(workload.memoryLoads.length === 0
        ? {}
        : { 'memory-load': oneOrList(workload.memoryLoads.map(printMemoryLoad)) }),
      streams: workload.streams.map((stream) => {
        const others = new Set(workload.streams.flatMap((each) => (each === stream ? [] : [each.name])));
        // A usual name that another stream has, or could get first, is written.
        const nameFor = (usual: string) => (others.has(usual) ? '' : usual);
        return reduce(
          printStream(stream),
          stream,
          (fields) => readStream(stream.kind, fields, nameFor, context, SILENT),
          [stream.kind],
        );
      }),
    },
  };
}

function printMemoryLoad(load: LabMemoryLoad): LabBlock {
  return {
    ...(load.node === 0 ? {} : { node: String(load.node) }),
    ...(load.readGBs === 0 ? {} : { read: printRate(load.readGBs) }),
    ...(load.writeGBs === 0 ? {} : { write: printRate(load.writeGBs) }),
    ...said('cores', load.cores, String),
  };
}

function oneOrList(list: readonly LabBlock[]): LabValue {
  return list.length === 1 ? list[0]! : list;
}
