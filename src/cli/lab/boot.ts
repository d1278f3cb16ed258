/** From the path of a lab file to a machine that runs, with everything that can be wrong told as a person's mistake. */
import { HostError, LabError, PeerlaneError } from '../../base/index.ts';
import {
  type BootOptions,
  bootFindings,
  type LabFile,
  LabMachine,
  parseLab,
  type Storage,
} from '../../lab/index.ts';
import type { Finding, Machine } from '../../topology/index.ts';
import type { Io } from '../io.ts';
import { printable } from '../render/style.ts';
import { Images, type ImageUse } from './images.ts';

export interface BootRequest {
  readonly storage?: Storage;
  /** Default `none`: nothing looks at the content of drives. */
  readonly images?: ImageUse;
  /** Everything takes the time that it takes. Missing: the machine has no time. */
  readonly timing?: BootOptions['timing'];
  /** Who drives the machine's queue; default: the host's event loop. */
  readonly turn?: BootOptions['turn'];
}

/** A lab that was switched on. */
export interface RunningLab {
  readonly path: string;
  readonly lab: LabFile;
  readonly machine: LabMachine;
  /** What went wrong on the way, and does not keep it from running. */
  readonly findings: readonly Finding[];
  /** Closes what the edge has open for it. */
  readonly close: () => void;
}

/**
 * @throws {LabError} with line and column in the message, and all problems in `detail.problems`
 * @throws {HostError} an image that cannot be opened; HOST_NO_MEMORY
 */
export function bootLab(path: string, text: string, request: BootRequest = {}): RunningLab {
  return bootParsed(path, parseLab(text, path), request);
}

/** The same for a lab that is booted more than once. */
export function bootParsed(path: string, lab: LabFile, request: BootRequest = {}): RunningLab {
  const images = new Images(path, request.images ?? 'none');
  try {
    const machine = LabMachine.boot(lab, {
      label: path,
      openImage: images.open,
      ...(request.storage === undefined ? {} : { storage: request.storage }),
      ...(request.timing === undefined ? {} : { timing: request.timing }),
      ...(request.turn === undefined ? {} : { turn: request.turn }),
    });
    return { path, lab, machine, findings: bootFindings(machine), close: () => images.close() };
  } catch (error) {
    images.close();
    throw told(path, error);
  }
}

function told(path: string, error: unknown): unknown {
  if (error instanceof RangeError && /array buffer/i.test(error.message)) {
    return new HostError('HOST_NO_MEMORY', {
      message: `${path}: this computer has no room for the memory of its devices`,
      hint: 'without --bytes only what is written takes room',
      cause: error,
    });
  }
  if (!(error instanceof PeerlaneError) || error instanceof HostError || error.message.startsWith(path)) {
    return error;
  }
  return new LabError(error.code, {
    message: `${path}: ${error.message}`,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    detail: error.detail,
    cause: error,
  });
}

/** The lab as every reader gives a machine, with what went wrong at boot among its findings. */
export function machineOf(lab: RunningLab): Machine {
  const machine = lab.machine.machine();
  return lab.findings.length === 0
    ? machine
    : { ...machine, findings: [...machine.findings, ...lab.findings] };
}

/** So many are told; a lab may have thousands. */
const WARNINGS_MAX = 10;

/** One line each on stderr. */
export function warnOfBoot(lab: RunningLab, io: Pick<Io, 'err'>): void {
  for (const { detail } of lab.findings.slice(0, WARNINGS_MAX)) {
    io.err(`peerlane: warning: ${printable(`${lab.path}: ${detail.replace(/\s*[\r\n]+\s*/g, ' ')}`)}\n`);
  }
  if (lab.findings.length > WARNINGS_MAX) {
    io.err(
      `peerlane: warning: ${printable(lab.path)}: and ${lab.findings.length - WARNINGS_MAX} more; \`topo --json\` has all\n`,
    );
  }
}
