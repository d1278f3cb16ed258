/** `--trace` and `--pcap`: the files of a run that is traced, opened before it begins and whole when it ends. */
import { closeSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { HostError, UsageError } from '../../base/index.ts';
import {
  type LabMachine,
  PerfettoRecorder,
  TlpRecorder,
  Tracer,
  type TraceSink,
  type WorkloadRun,
} from '../../lab/index.ts';
import type { Io } from '../io.ts';
import { formatBytes, printable } from '../render/style.ts';

export interface TraceOptions {
  /** For the Perfetto UI. */
  readonly trace?: string;
  /** For Wireshark. */
  readonly pcap?: string;
  /** Of each file, bytes. Default 256 MiB. */
  readonly traceLimit?: number;
  /** Files that are there are replaced. */
  readonly force?: boolean;
}

const DEFAULT_LIMIT_BYTES = 256 * 2 ** 20;
/** Writers hand over pieces of 64 KiB and have some more in hand. */
const LEAST_LIMIT_BYTES = 2 ** 20;

interface OpenFile {
  readonly path: string;
  readonly temporary: string;
  readonly fd: number;
  readonly what: string;
  recorder: (TraceSink & { readonly bytes: number }) | null;
}

export class TraceFiles {
  readonly #limitBytes: number;
  readonly #replace: boolean;
  readonly #files: OpenFile[] = [];
  readonly #pcap: OpenFile | null;
  readonly #trace: OpenFile | null;
  #tracer: Tracer | null = null;
  #machine: LabMachine | null = null;

  /**
   * Claims the names, so that a run of minutes does not end in a file that cannot be written.
   * @returns null when nothing is to be traced
   * @throws {UsageError} USAGE_FILE_EXISTS, USAGE_SIZE; {HostError} HOST_WRITE_FAILED
   */
  static open(options: TraceOptions): TraceFiles | null {
    return options.trace === undefined && options.pcap === undefined ? null : new TraceFiles(options);
  }

  private constructor({ trace, pcap, traceLimit, force }: TraceOptions) {
    this.#limitBytes = traceLimit ?? DEFAULT_LIMIT_BYTES;
    if (this.#limitBytes < LEAST_LIMIT_BYTES) {
      throw new UsageError('USAGE_SIZE', {
        message: `--trace-limit ${this.#limitBytes} has no room for a trace`,
        hint: 'use 1M or more',
      });
    }
    this.#replace = force === true;
    try {
      this.#trace = trace === undefined ? null : this.#claim(trace, 'trace');
      this.#pcap = pcap === undefined ? null : this.#claim(pcap, 'capture');
    } catch (error) {
      this.abandon();
      throw error;
    }
  }

  /**
   * Listens to a run from now on.
   * @throws {UsageError} USAGE_PCAP_ENGINE
   */
  attach(machine: LabMachine, run: WorkloadRun | null): void {
    if (this.#pcap !== null && !TlpRecorder.canRecord(machine)) {
      throw new UsageError('USAGE_PCAP_ENGINE', {
        message: '--pcap needs packets, and this run is simulated in flows, which have none',
        hint: 'add `--engine tlp`; it takes longer',
      });
    }
    const sinks: TraceSink[] = [];
    if (this.#trace !== null) {
      this.#trace.recorder = new PerfettoRecorder(machine, writerOf(this.#trace), this.#limitBytes);
      sinks.push(this.#trace.recorder);
    }
    if (this.#pcap !== null) {
      this.#pcap.recorder = new TlpRecorder(machine, writerOf(this.#pcap), this.#limitBytes);
      sinks.push(this.#pcap.recorder);
    }
    this.#machine = machine;
    this.#tracer = new Tracer(machine, run, sinks);
  }

  /** Ends the files and gives them their names. What was left out is told. @throws {HostError} HOST_WRITE_FAILED */
  finish(io: Io): void {
    if (this.#tracer === null) {
      this.abandon();
      return;
    }
    this.#tracer.close();
    for (const { path, temporary, fd, what, recorder } of this.#files.splice(0)) {
      try {
        closeSync(fd);
        renameSync(temporary, path);
      } catch (error) {
        rmSync(temporary, { force: true });
        throw writeFailed(path, error);
      }
      const name = printable(path);
      if (recorder?.fullPs != null) {
        const atMs = (recorder.fullPs / 1e9).toFixed(3);
        const allMs = (this.#machine!.queue.nowPs / 1e9).toFixed(3);
        io.err(
          `peerlane: ${name}: the ${what} ends at ${atMs} ms of ${allMs} ms, at its limit of ${formatBytes(this.#limitBytes)}; --trace-limit raises it\n`,
        );
      } else {
        io.err(`peerlane: ${name}: ${what} of ${formatBytes(recorder?.bytes ?? 0)}\n`);
      }
    }
  }

  /** The run did not happen: no file stays. May be called after `finish`. */
  abandon(): void {
    for (const { path, temporary, fd } of this.#files.splice(0)) {
      closeSync(fd);
      rmSync(temporary, { force: true });
      if (!this.#replace) {
        rmSync(path, { force: true });
      }
    }
  }

  #claim(path: string, what: string): OpenFile {
    const temporary = `${path}.partial-${process.pid}`;
    let isClaimed = false;
    try {
      if (!this.#replace) {
        closeSync(openSync(path, 'wx', 0o600));
        isClaimed = true;
      }
      const file: OpenFile = { path, temporary, fd: openSync(temporary, 'wx', 0o600), what, recorder: null };
      this.#files.push(file);
      return file;
    } catch (error) {
      if (isClaimed) {
        rmSync(path, { force: true });
      }
      throw writeFailed(path, error);
    }
  }
}

function writerOf({ path, fd }: OpenFile): (bytes: Uint8Array) => void {
  return (bytes) => {
    try {
      for (let written = 0; written < bytes.length; ) {
        written += writeSync(fd, bytes, written);
      }
    } catch (error) {
      throw writeFailed(path, error);
    }
  };
}

function writeFailed(path: string, error: unknown): Error {
  const code = (error as NodeJS.ErrnoException).code;
  const detail = { path, errno: code };
  return code === 'EEXIST'
    ? new UsageError('USAGE_FILE_EXISTS', {
        message: `${path} is there already`,
        hint: 'choose another name, or --force to replace it',
        detail,
        cause: error,
      })
    : new HostError('HOST_WRITE_FAILED', {
        message: `${path}: cannot be written (${code ?? String(error)})`,
        hint: 'choose a directory that you may write to, on a disk with room',
        detail,
        cause: error,
      });
}
