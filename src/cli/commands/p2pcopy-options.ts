/** The options of `p2pcopy`: what they cannot be, and what the processor does to the memory before the first request. */
import type { Span } from '../../access/index.ts';
import { CopyError, UsageError } from '../../base/index.ts';
import { checkHostAccess } from '../../orchestrators/index.ts';
import { parseSize } from '../arguments.ts';
import type { P2pCopyReport } from '../render/p2pcopy.ts';
import type { TransferMachineOptions } from '../transfer/open-machine.ts';

/** As commander makes them of the options of p2pmem-test. */
export interface P2pCopyCommandOptions extends TransferMachineOptions {
  readonly source: string;
  readonly target: string;
  /** Undefined: host memory. */
  readonly p2pmem?: string;
  readonly check?: boolean;
  readonly chunks: number;
  readonly chunk_size: number;
  /** Seconds; negative: no limit. */
  readonly duration: number;
  readonly threads: number;
  readonly offset: number;
  readonly overlap?: boolean;
  readonly skipRead?: boolean;
  readonly skipWrite?: boolean;
  readonly host_access?: string;
  readonly init?: string;
  /** -1: from the clock. */
  readonly seed: number;
  readonly yes?: boolean;
  readonly json?: boolean;
}

/** Of x86 and of most arm64 kernels; peer memory is handed out in pages. */
export const PAGE_BYTES = 4096;
const INIT_BYTES = 4096;
const HOST_ACCESSES = 64;

export interface HostWork {
  readonly access: HostAccess | undefined;
  readonly init: Init | undefined;
}

/** What the processor does to the memory before the first request. */
export function touchMemory(
  { access, init }: HostWork,
  span: Span,
  options: P2pCopyCommandOptions,
): Pick<P2pCopyReport, 'initBytes' | 'hostAccess'> {
  let initBytes: number | null = null;
  if (init !== undefined) {
    if (init.totalBytes > span.lengthBytes) {
      throw new UsageError('USAGE_P2PCOPY', {
        message: `--init is to set ${init.totalBytes} bytes to zero, and the buffer has ${span.lengthBytes}`,
        hint: 'the buffer is --chunk_size times --threads',
      });
    }
    initBytes = init.totalBytes;
    span.copyIn(0, new Uint8Array(initBytes));
  }
  if (access === undefined) {
    return { initBytes, hostAccess: null };
  }
  if (access.accessBytes > span.lengthBytes) {
    throw new UsageError('USAGE_P2PCOPY', {
      message: `--host_access is to access ${access.accessBytes} bytes at once, and the buffer has ${span.lengthBytes}`,
      hint: 'the buffer is --chunk_size times --threads',
    });
  }
  const seed = options.seed === -1 ? 1 : options.seed;
  const result = checkHostAccess(span, access.accessBytes, access.count, access.isReadOnly, seed);
  return { initBytes, hostAccess: { result, isReadOnly: access.isReadOnly } };
}

/** @throws {UsageError} USAGE_P2PCOPY; {CopyError} COPY_SETUP */
export function refuseImpossible(options: P2pCopyCommandOptions): void {
  const refuse = (message: string, hint: string): UsageError =>
    new UsageError('USAGE_P2PCOPY', { message, hint });
  if (options.offset !== 0) {
    throw options.p2pmem === undefined
      ? refuse('--offset is of peer memory, and none was named', 'leave it out')
      : refuse(
          'p2pmem/allocate is mapped from offset 0 only',
          'leave --offset out; every run gets a block of its own',
        );
  }
  if (options.p2pmem !== undefined) {
    const given =
      options.init !== undefined ? '--init' : options.host_access !== undefined ? '--host_access' : '';
    if (given !== '') {
      throw refuse(
        `${given} has the processor touch the memory, and peer memory is never touched by it here`,
        'leave it out, or leave the peer memory out: then it is host memory',
      );
    }
    if (options.chunk_size % PAGE_BYTES !== 0) {
      throw new CopyError('COPY_SETUP', {
        message: `a chunk of ${options.chunk_size} bytes is no multiple of a page, and peer memory comes in pages`,
        hint: `use a --chunk_size that is a multiple of ${PAGE_BYTES}`,
      });
    }
  }
  if (options.skipRead === true && options.skipWrite === true) {
    throw refuse('with --skip-read and --skip-write there is nothing to do', 'leave one of them out');
  }
  if (!(options.threads >= 1) || !(options.chunk_size >= 1) || !(options.chunks >= 1)) {
    throw refuse(
      '--chunks, --chunk_size and --threads are at least 1',
      'leave them out for 1024, 4096 and 1',
    );
  }
}

interface HostAccess {
  readonly accessBytes: number;
  readonly isReadOnly: boolean;
  readonly count: number;
  readonly stops: boolean;
}

/** `size[:count[:stop]]`; a negative size reads only. */
export function hostAccessOf(text: string | undefined): HostAccess | undefined {
  const fields = fieldsOf('--host_access', text);
  if (fields === undefined) {
    return undefined;
  }
  const [size, count, stops] = fields;
  return {
    accessBytes: Math.abs(size),
    isReadOnly: size < 0,
    count: count ?? HOST_ACCESSES,
    stops,
  };
}

interface Init {
  readonly totalBytes: number;
  readonly stops: boolean;
}

/** `size[:total[:stop]]`. The size is how much the original writes at once, which makes no difference here. */
export function initOf(text: string | undefined): Init | undefined {
  const fields = fieldsOf('--init', text);
  if (fields === undefined) {
    return undefined;
  }
  const [, total, stops] = fields;
  return { totalBytes: total ?? INIT_BYTES, stops };
}

/** A size of 0 turns the option off. */
function fieldsOf(
  option: string,
  text: string | undefined,
): readonly [number, number | undefined, boolean] | undefined {
  if (text === undefined) {
    return undefined;
  }
  const match = /^(-?\d{1,9})(?::(\d+(?:\.\d+)?[kmgt]?(?:i?b)?))?(:.*)?$/i.exec(text);
  if (match === null) {
    throw new UsageError('USAGE_P2PCOPY', {
      message: `${option} takes a size and a count, and got ${text}`,
      hint: `for example ${option} 64:1k`,
    });
  }
  const size = Number(match[1]);
  return size === 0
    ? undefined
    : [size, match[2] === undefined ? undefined : parseSize(match[2]), match[3] !== undefined];
}
