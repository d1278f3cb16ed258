/**
 * How the framework says no: one shape for all of its errors, with what the kernel would have done beside it.
 *
 * `detail.errno` is the name that the kernel's call would return, null where it would return none. `detail.kernel` says what
 * it does instead (crash, corrupt, wrap), and `detail.edgeCase` names the row of the list of edge cases.
 */
import { MappingError } from '../../base/index.ts';

/** `EC-095`. */
export type EdgeCase = `EC-${string}`;

export type Errno =
  | 'EACCES'
  | 'EBUSY'
  | 'EEXIST'
  | 'EINVAL'
  | 'EIO'
  | 'ENODEV'
  | 'ENOMEM'
  | 'ENXIO'
  | 'EOPNOTSUPP'
  | 'EREMOTEIO';

export interface RefusalFacts {
  readonly message: string;
  readonly hint: string;
  /** What the kernel returns; leave out where it returns nothing or does something worse. */
  readonly errno?: Errno;
  /** What the kernel does where it returns no error: `BUG`, `NULL dereference`, `wrong address`. */
  readonly kernel?: string;
  readonly edgeCase?: EdgeCase;
  readonly detail?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

export function refusal(code: `P2P_${string}`, facts: RefusalFacts): MappingError {
  const { edgeCase, errno, kernel } = facts;
  return new MappingError(code, {
    message: edgeCase === undefined ? facts.message : `${facts.message} (${edgeCase})`,
    hint: facts.hint,
    detail: {
      ...facts.detail,
      errno: errno ?? null,
      ...(kernel === undefined ? {} : { kernel }),
      ...(edgeCase === undefined ? {} : { edgeCase }),
    },
    cause: facts.cause,
  });
}

/** Addresses and lengths in messages. */
export function hex(value: number): string {
  return Number.isSafeInteger(value) ? `0x${value.toString(16)}` : String(value);
}
