/**
 * The error base. Every failure that a person may see is a `PeerlaneError` with a stable code.
 *
 * Codes are API: tests and scripts match on them, `docs/errors.md` explains each, none is ever reused.
 */

/** What a person's mistake costs at the command line: 2 wrong usage or refused, 3 started and failed. */
export type ExitStatus = 1 | 2 | 3;

export interface ErrorFacts {
  /** One line: what happened and where. */
  readonly message: string;
  /** What the person can do next, one line. */
  readonly hint?: string;
  /** The facts behind the message, for programs. */
  readonly detail?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
  /** Default 2. */
  readonly exitStatus?: ExitStatus;
}

export class PeerlaneError extends Error {
  readonly code: string;
  readonly hint: string | undefined;
  readonly detail: Readonly<Record<string, unknown>>;
  readonly exitStatus: ExitStatus;

  constructor(code: string, facts: ErrorFacts) {
    super(facts.message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.name = new.target.name;
    this.code = code;
    this.hint = facts.hint;
    this.detail = facts.detail ?? {};
    this.exitStatus = facts.exitStatus ?? 2;
  }
}

/** Input that does not hold what it claims to hold: a dump, an archive, an XML file. Codes start with INPUT_. */
export class InputError extends PeerlaneError {}

/** A name or address that the machine does not have, or has more than once. Codes start with TOPO_. */
export class TopologyError extends PeerlaneError {}

/** A peer-to-peer operation that the rules or the driver refuse. Codes start with P2P_. */
export class MappingError extends PeerlaneError {}

/** A copy or benchmark that was refused or failed. Codes start with COPY_. */
export class CopyError extends PeerlaneError {}

/** The host said no: missing file, no permission, no such call. Codes start with HOST_. */
export class HostError extends PeerlaneError {}

/** A lab file that does not describe a machine; every problem with its line is in `detail.problems`. Codes start with LAB_. */
export class LabError extends PeerlaneError {}

/** A block device over a BAR that cannot be. Codes start with IOPMEM_. */
export class IopmemError extends PeerlaneError {}

/** An NVMe controller that cannot be used, or a command that failed. Codes start with NVME_. */
export class NvmeError extends PeerlaneError {}

/** An NVMe-oF target that cannot be as it was asked for. Codes start with TARGET_. */
export class TargetError extends PeerlaneError {}

/** Wrong usage of the command line. Codes start with USAGE_. */
export class UsageError extends PeerlaneError {}
