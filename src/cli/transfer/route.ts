/** From `--via` to memory: asks the machine's verdicts, and allocates what was chosen. */
import { statusName } from '../../access/index.ts';
import { explainPair } from '../../advice/index.ts';
import { CopyError, UsageError } from '../../base/index.ts';
import {
  allocateFitting,
  type BufferPlan,
  chooseRoute,
  type FittedBuffer,
  type Refusal,
  type RouteChoice,
  type TransferFailure,
  type Via,
} from '../../orchestrators/index.ts';
import { findMany, judgeMany } from '../../p2pdma/index.ts';
import type { MachineIndex } from '../../topology/index.ts';
import type { Io } from '../io.ts';
import type { TransferEnd, TransferMachine } from './machine.ts';

export interface RouteRequest {
  /** `auto`, `host`, an address or a name. */
  readonly via: string;
  readonly ends: readonly TransferEnd[];
  readonly fallback: boolean;
}

/** @throws {CopyError} COPY_NO_ROUTE (exit status 1); {TopologyError} when `via` names nothing */
export function resolveRoute(machine: TransferMachine, request: RouteRequest): RouteChoice {
  const { index, rules } = machine.routeFacts();
  return chooseRoute({
    via: viaOf(request.via, index),
    ends: request.ends.map(({ route }) => route),
    fallback: request.fallback,
    find: (clients) => findMany(index, rules, clients),
    judge: (provider, clients) => judgeMany(index, rules, provider, clients),
    availableBytes: (provider) => machine.availableBytes(provider),
    explain: (provider, client) => {
      const { reasons } = explainPair(index, rules, provider, client);
      const blocking = reasons.filter((reason) => reason.blocks);
      return (blocking.length > 0 ? blocking : reasons).map((reason) => `${reason.code}: ${reason.detail}`);
    },
  });
}

function viaOf(text: string, index: MachineIndex): Via {
  return text === 'auto' || text === 'host' ? text : { provider: index.resolve(text).bdf };
}

/** A buffer of the chosen memory, smaller where the pool has no such block. @throws {MappingError} P2P_..., {HostError} */
export function allocateBuffer(
  machine: TransferMachine,
  choice: RouteChoice,
  wanted: BufferPlan,
  unitBytes: number,
): FittedBuffer {
  const provider = choice.provider;
  if (provider === null) {
    return allocateFitting(wanted, unitBytes, undefined, (bytes) => machine.allocateHost(bytes));
  }
  const available = machine.availableBytes(provider);
  return allocateFitting(wanted, unitBytes, available, (bytes) => machine.allocatePeer(provider, bytes));
}

/** @throws {UsageError} USAGE_SAME_TARGET when both are one disk or one file */
export function assertDifferent(a: TransferEnd, b: TransferEnd): void {
  if (a.identity !== undefined && a.identity === b.identity) {
    throw new UsageError('USAGE_SAME_TARGET', {
      message: `${a.label} and ${b.label} are the same ${a.isDevice ? 'disk' : 'file'}`,
      hint: 'name two different ones',
    });
  }
}

/** All refusals, one line each, on stderr: the error itself has room for the first only. */
export function printRefusals(io: Io, error: unknown): void {
  if (error instanceof CopyError && error.code === 'COPY_NO_ROUTE') {
    for (const line of refusalLines(error.detail.refusals as readonly Refusal[])) {
      io.err(`${line}\n`);
    }
  }
}

export function refusalLines(refusals: readonly Refusal[]): readonly string[] {
  return refusals.flatMap((refusal) =>
    refusal.reasons.map(
      (reason) => `${refusal.provider === null ? '' : `via ${refusal.provider}: `}${reason}`,
    ),
  );
}

export function routeText(choice: RouteChoice): string {
  if (choice.kind === 'host') {
    return `host memory: ${choice.why}`;
  }
  const types = [...new Set(choice.verdict?.verdicts.map((entry) => entry.mapType) ?? [])].join(' and ');
  const ties = choice.ties.length === 0 ? '' : `; as near: ${choice.ties.join(', ')}`;
  return `peer memory of ${choice.provider}${types === '' ? '' : ` (${types})`}: ${choice.why}${ties}`;
}

export function routeJson(choice: RouteChoice): Record<string, unknown> {
  return {
    kind: choice.kind,
    provider: choice.provider,
    distance: choice.verdict?.distance ?? null,
    mapTypes:
      choice.verdict?.verdicts.map((entry) => ({
        client: entry.client,
        distance: entry.distance,
        mapType: entry.mapType,
        decidedBy: entry.decidedBy,
      })) ?? [],
    isCertain: choice.isCertain,
    isFallback: choice.isFallback,
    why: choice.why,
    ties: choice.ties,
    refusals: choice.refusals,
  };
}

/** A failed request in `copy --json` and `bench --json`; null when none failed. */
export function failureJson(failure: TransferFailure | undefined): Record<string, unknown> | null {
  return failure === undefined ? null : { ...failure, status: statusName(failure.status) };
}
