/** One stream of a workload: from its fields to a `LabStream` whose references hold. Back to text: `stream-print.ts`. */
import { printSize } from './field.ts';
import { readFields } from './kind.ts';
import type {
  LabBlockSize,
  LabDmaStream,
  LabMmioStream,
  LabPlace,
  LabStageStream,
  LabStream,
  LabStreamKind,
} from './lab-workload.ts';
import type { LabErrorCode } from './problems.ts';
import { printDuration } from './quantity.ts';
import type { Report } from './report.ts';
import type { LabBlock, LabPath } from './values.ts';
import {
  type BlockDevice,
  type Found,
  findBlockDevice,
  findFunction,
  findPlace,
  hasBytes,
  placeBytes,
  placeText,
  type WorkloadContext,
} from './workload-context.ts';
import { type CommonRaw, SECTOR_BYTES, type StreamRaw, streamSchemas } from './workload-fields.ts';

/** Window of a function's own requests. */
const WINDOW_BYTES = 64 * 2 ** 20;

/** Of memory of a device. Queues of its driver take from controller memory as well, so half of that is left to them. */
function windowBytes(memory: LabPlace, bytes: number): number {
  return Math.min(memory.kind === 'cmb' ? Math.floor(bytes / 2) : bytes, WINDOW_BYTES);
}

/**
 * @param nameOf  the name of a stream that does not say, from kind and device
 * @param context  null: the machine could not be read, so nothing is looked up and nothing comes out
 * @returns undefined when something was reported
 */
export function readStream(
  kind: LabStreamKind,
  fields: LabBlock,
  nameOf: (usual: string) => string,
  context: WorkloadContext | null,
  report: Report,
): LabStream | undefined {
  const raw = readFields(streamSchemas[kind], fields, report);
  return raw === undefined || context === null
    ? undefined
    : new StreamReader(nameOf, context, report).read(kind, raw);
}

class StreamReader {
  readonly #nameOf: (usual: string) => string;
  readonly #context: WorkloadContext;
  readonly #report: Report;
  #isBad = false;

  constructor(nameOf: (usual: string) => string, context: WorkloadContext, report: Report) {
    this.#nameOf = nameOf;
    this.#context = context;
    this.#report = report;
  }

  read(kind: LabStreamKind, raw: StreamRaw<LabStreamKind>): LabStream | undefined {
    // The schema of the kind made it.
    const stream = this.#read(kind, raw as never);
    return this.#isBad ? undefined : stream;
  }

  #read<Kind extends LabStreamKind>(kind: Kind, raw: StreamRaw<Kind>): LabStream | undefined {
    switch (kind) {
      case 'read':
        return this.#drive('read', raw as StreamRaw<'read'>);
      case 'write':
        return this.#drive('write', raw as StreamRaw<'write'>);
      case 'mix':
        return this.#drive('mix', raw as StreamRaw<'mix'>);
      case 'copy':
        return this.#copy(raw as StreamRaw<'copy'>);
      case 'stage':
        return this.#stage(raw as StreamRaw<'stage'>);
      case 'dma-write':
        return this.#dma('dma-write', raw as StreamRaw<'dma-write'>);
      case 'dma-read':
        return this.#dma('dma-read', raw as StreamRaw<'dma-read'>);
      case 'mmio-write':
        return this.#mmio('mmio-write', raw as StreamRaw<'mmio-write'>);
      default:
        return this.#mmio('mmio-read', raw as StreamRaw<'mmio-read'>);
    }
  }

  #drive(
    kind: 'read' | 'write' | 'mix',
    raw: StreamRaw<'read'> | StreamRaw<'write'> | StreamRaw<'mix'>,
  ): LabStream | undefined {
    const device = 'read' in raw ? raw.read : 'write' in raw ? raw.write : raw.mix;
    const key = 'to' in raw ? 'to' : 'from' in raw ? 'from' : 'memory';
    const word = 'to' in raw ? raw.to : 'from' in raw ? raw.from : raw.memory;
    const drive = this.#found([kind], findBlockDevice(device, this.#context));
    const memory = this.#found([key], findPlace(word, device, this.#context));
    const base = this.#common(kind, device, raw);
    this.#checkWholeBlocks(raw, [[device, drive]]);
    if (drive === undefined || memory === undefined) {
      return undefined;
    }
    this.#checkFits(raw.block, memory);
    const requests = {
      ...this.#requests(raw, device, drive.sizeBytes, drive.sizeBytes),
      device,
      memory,
      cpu: raw.cpu,
      cpuCopies: raw['cpu-copies'],
    };
    return 'reads' in raw
      ? { kind: 'mix', ...base, ...requests, readPercent: raw.reads }
      : { kind: kind as 'read' | 'write', ...base, ...requests };
  }

  #copy(raw: StreamRaw<'copy'>): LabStream | undefined {
    const from = this.#found(['copy'], findBlockDevice(raw.copy, this.#context));
    const to = this.#found(['to'], findBlockDevice(raw.to, this.#context));
    const via: LabPlace | 'auto' | undefined =
      raw.via === 'auto' ? 'auto' : this.#found(['via'], findPlace(raw.via, raw.copy, this.#context));
    const base = this.#common('copy', raw.copy, raw);
    if (raw.copy === raw.to) {
      this.#complain('LAB_STREAM', ['to'], `to: a copy ends on another drive than ${raw.copy}`);
    }
    this.#checkWholeBlocks(raw, [
      [raw.copy, from],
      [raw.to, to],
    ]);
    if (from === undefined || to === undefined || via === undefined) {
      return undefined;
    }
    if (via !== 'auto') {
      this.#checkFits(raw.block, via);
    }
    const [who, least] = from.sizeBytes <= to.sizeBytes ? [raw.copy, from] : [raw.to, to];
    return {
      kind: 'copy',
      ...base,
      ...this.#requests(raw, who, least.sizeBytes, least.sizeBytes),
      device: raw.copy,
      target: raw.to,
      via,
      cpu: raw.cpu,
    };
  }

  #dma(
    kind: 'dma-write' | 'dma-read',
    raw: StreamRaw<'dma-write'> | StreamRaw<'dma-read'>,
  ): LabDmaStream | undefined {
    const [device, key, word] =
      'dma-write' in raw
        ? ([raw['dma-write'], 'to', raw.to] as const)
        : ([raw['dma-read'], 'from', raw.from] as const);
    const fn = this.#found([kind], findFunction(device, this.#context));
    const memory = this.#found([key], findPlace(word, device, this.#context));
    const base = this.#common(kind, device, raw);
    if (fn === undefined || memory === undefined) {
      return undefined;
    }
    if (memory.kind !== 'host' && memory.name === device) {
      this.#complain('LAB_STREAM', [key], `${key}: ${device} reaches its own memory without PCI Express`);
    }
    const bytes = placeBytes(memory, this.#context);
    return {
      kind,
      ...base,
      ...this.#requests(raw, placeText(memory), bytes, windowBytes(memory, bytes)),
      device,
      memory,
      writePercent: 'writes' in raw ? raw.writes : 100,
    };
  }

  #stage(raw: StreamRaw<'stage'>): LabStageStream | undefined {
    const from = this.#found(['stage'], findFunction(raw.stage, this.#context));
    const to = this.#found(['to'], findFunction(raw.to, this.#context));
    const via = this.#found(['via'], findPlace(raw.via, null, this.#context));
    const base = this.#common('stage', raw.stage, raw);
    if (raw.stage === raw.to) {
      this.#complain('LAB_STREAM', ['to'], `to: another function than ${raw.stage} reads what it wrote`);
    }
    if (via !== undefined && via.kind !== 'host') {
      this.#complain('LAB_STREAM', ['via'], 'via: a stop is in system memory: host, or a node like node0');
    }
    if (from === undefined || to === undefined || via?.kind !== 'host') {
      return undefined;
    }
    return {
      kind: 'stage',
      ...base,
      device: raw.stage,
      target: raw.to,
      via,
      chunkBytes: raw.chunk,
      syncPs: raw.sync ?? null,
      overlaps: raw.overlap,
      cpuCopies: raw['cpu-copies'],
    };
  }

  #mmio(
    kind: 'mmio-write' | 'mmio-read',
    raw: StreamRaw<'mmio-write'> | StreamRaw<'mmio-read'>,
  ): LabMmioStream | undefined {
    const [who, key, word] =
      'mmio-write' in raw
        ? ([raw['mmio-write'], 'to', raw.to] as const)
        : ([raw['mmio-read'], 'from', raw.from] as const);
    const socket = this.#socket(kind, who);
    const memory = this.#found([key], findPlace(word, null, this.#context));
    const base = this.#common(kind, who, raw);
    if (memory?.kind === 'host') {
      this.#complain(
        'LAB_STREAM',
        [key],
        `${key}: memory of a device is meant; what the processor does to its own is \`memory-load\``,
      );
    }
    if (socket === undefined || memory === undefined || memory.kind === 'host') {
      return undefined;
    }
    const bytes = placeBytes(memory, this.#context);
    const areaBytes = this.#area(raw, placeText(memory), bytes, windowBytes(memory, bytes));
    return { kind, ...base, socket, memory, blocks: sizesOf(raw.block), areaBytes };
  }

  #socket(kind: LabStreamKind, who: string): number | undefined {
    const { sockets } = this.#context;
    const match = /^cpu(\d{0,3})$/.exec(who);
    const socket = Number(match?.[1] ?? Number.NaN);
    if (match === null) {
      this.#complain('LAB_STREAM', [kind], `${kind}: the processor does it: write cpu, or cpu1 for a socket`);
    } else if (socket >= sockets) {
      const some = sockets === 1 ? 'is only socket 0' : `are sockets 0 to ${sockets - 1}`;
      this.#complain('LAB_REFERENCE', [kind], `${kind}: no socket has the number ${socket}; there ${some}`);
    } else {
      return socket;
    }
    return undefined;
  }

  /** What every stream has. */
  #common(kind: LabStreamKind, who: string, raw: CommonRaw) {
    const { start, stop, count, size } = raw;
    if (stop !== undefined && stop <= start) {
      this.#complain(
        'LAB_VALUE',
        ['stop'],
        `stop: ${printDuration(stop)} is not after its start at ${printDuration(start)}`,
      );
    }
    if (count !== undefined && size !== undefined) {
      this.#complain('LAB_VALUE', ['size'], 'size: `count` says already when it ends; give one of them');
    }
    const { duty } = raw;
    return {
      name: raw.name ?? this.#nameOf(`${kind}-${who}`),
      startPs: start,
      stopPs: stop ?? null,
      rateGBs: raw.rate ?? null,
      duty: duty === undefined ? null : { onPs: duty.on, offPs: duty.off },
      count: count ?? null,
      sizeBytes: size ?? null,
      jobs: raw.jobs,
    };
  }

  #requests(
    raw: Omit<StreamRaw<'dma-read'>, 'dma-read' | 'from' | 'writes'>,
    who: string,
    most: number,
    usual: number,
  ) {
    return {
      blocks: sizesOf(raw.block),
      pattern: raw.pattern,
      depth: raw.depth,
      areaBytes: this.#area(raw, who, most, usual),
    };
  }

  #area(
    raw: { readonly area?: number | undefined; readonly block: RawBlocks },
    who: string,
    mostBytes: number,
    usualBytes: number,
  ): number {
    const area = raw.area ?? usualBytes;
    const path = [raw.area === undefined ? 'block' : 'area'];
    const largest = Math.max(...raw.block.map((each) => each.size));
    if (area > mostBytes) {
      this.#complain('LAB_STREAM', path, `area: ${printSize(area)} do not fit: ${hasBytes(who, mostBytes)}`);
    } else if (largest > area) {
      this.#complain(
        'LAB_STREAM',
        ['block'],
        `block: ${printSize(largest)} is more than the area of ${printSize(area)}`,
      );
    }
    return area;
  }

  /** Drives take whole blocks of theirs; 512 where it is not known which drive. */
  #checkWholeBlocks(
    raw: { readonly block: RawBlocks; readonly size?: number | undefined },
    drives: readonly (readonly [string, BlockDevice | undefined])[],
  ): void {
    const needed = Math.max(SECTOR_BYTES, ...drives.map(([, drive]) => drive?.blockBytes ?? 0));
    const owner = drives.find(([, drive]) => drive?.blockBytes === needed)?.[0];
    const whose = owner === undefined ? '' : `, the block of ${owner}`;
    const check = (key: string, bytes: number | undefined) => {
      if (bytes !== undefined && bytes % needed !== 0) {
        this.#complain('LAB_VALUE', [key], `${key}: ${printSize(bytes)} is no multiple of ${needed}${whose}`);
      }
    };
    check('block', raw.block.find((each) => each.size % needed !== 0)?.size);
    check('size', raw.size);
  }

  #checkFits(list: RawBlocks, place: LabPlace): void {
    const bytes = placeBytes(place, this.#context);
    const largest = Math.max(...list.map((each) => each.size));
    if (largest > bytes) {
      const who = placeText(place);
      this.#complain(
        'LAB_STREAM',
        ['block'],
        `block: ${printSize(largest)} do not fit: ${hasBytes(who, bytes)}`,
      );
    }
  }

  #found<Value>(path: LabPath, found: Found<Value>): Value | undefined {
    if ('value' in found) {
      return found.value;
    }
    this.#complain(found.isUnknown ? 'LAB_REFERENCE' : 'LAB_STREAM', path, `${path[0]}: ${found.problem}`);
    return undefined;
  }

  #complain(code: LabErrorCode, path: LabPath, message: string): void {
    this.#isBad = true;
    this.#report(code, path, message);
  }
}

type RawBlocks = readonly { readonly size: number; readonly share: number }[];

function sizesOf(raw: RawBlocks): LabBlockSize[] {
  return raw.map((each) => ({ sizeBytes: each.size, share: each.share }));
}
