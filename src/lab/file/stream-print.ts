/** A stream as the fields that a person would write. */
import { printSize } from './field.ts';
import type { LabBlockSize, LabStream } from './lab-workload.ts';
import { printAmount, printDuration, printRate } from './quantity.ts';
import { said } from './time-fields.ts';
import type { LabBlock, LabValue } from './values.ts';
import { placeText } from './workload-context.ts';

/** Every field, whether or not a default says the same; kind first. */
export function printStream(stream: LabStream): LabBlock {
  return { ...printOwn(stream), ...printCommon(stream) };
}

function printOwn(stream: LabStream): LabBlock {
  switch (stream.kind) {
    case 'read':
      return {
        read: stream.device,
        to: placeText(stream.memory),
        ...printRequests(stream),
        ...printCpu(stream),
      };
    case 'write':
      return {
        write: stream.device,
        from: placeText(stream.memory),
        ...printRequests(stream),
        ...printCpu(stream),
      };
    case 'mix':
      return {
        mix: stream.device,
        memory: placeText(stream.memory),
        reads: String(stream.readPercent),
        ...printRequests(stream),
        ...printCpu(stream),
      };
    case 'copy':
      return {
        copy: stream.device,
        to: stream.target,
        via: stream.via === 'auto' ? 'auto' : placeText(stream.via),
        ...printRequests(stream),
        cpu: stream.cpu,
      };
    case 'dma-write':
      return { 'dma-write': stream.device, to: placeText(stream.memory), ...printRequests(stream) };
    case 'dma-read':
      return {
        'dma-read': stream.device,
        from: placeText(stream.memory),
        writes: String(stream.writePercent),
        ...printRequests(stream),
      };
    case 'stage':
      return {
        stage: stream.device,
        to: stream.target,
        via: placeText(stream.via),
        chunk: printSize(stream.chunkBytes),
        ...said('sync', stream.syncPs, printDuration),
        overlap: stream.overlaps ? 'yes' : 'no',
        'cpu-copies': String(stream.cpuCopies),
      };
    default: {
      const key = stream.kind === 'mmio-write' ? 'to' : 'from';
      return {
        [stream.kind]: stream.socket === 0 ? 'cpu' : `cpu${stream.socket}`,
        [key]: placeText(stream.memory),
        block: printBlocks(stream.blocks),
        area: printSize(stream.areaBytes),
      };
    }
  }
}

function printCpu(stream: { readonly cpu: string; readonly cpuCopies: number }): LabBlock {
  return { cpu: stream.cpu, 'cpu-copies': String(stream.cpuCopies) };
}

function printCommon(stream: LabStream): LabBlock {
  return {
    name: stream.name,
    jobs: String(stream.jobs),
    ...said('rate', stream.rateGBs, printRate),
    ...(stream.duty === null
      ? {}
      : { duty: { on: printDuration(stream.duty.onPs), off: printDuration(stream.duty.offPs) } }),
    start: printDuration(stream.startPs),
    ...said('stop', stream.stopPs, printDuration),
    ...said('count', stream.count, printAmount),
    ...said('size', stream.sizeBytes, printSize),
  };
}

function printRequests(stream: {
  readonly blocks: readonly LabBlockSize[];
  readonly pattern: string;
  readonly depth: number;
  readonly areaBytes: number;
}): LabBlock {
  return {
    block: printBlocks(stream.blocks),
    pattern: stream.pattern,
    depth: String(stream.depth),
    area: printSize(stream.areaBytes),
  };
}

function printBlocks(blocks: readonly LabBlockSize[]): LabValue {
  return blocks.map((each) =>
    each.share === 1
      ? printSize(each.sizeBytes)
      : { size: printSize(each.sizeBytes), share: String(each.share) },
  );
}
