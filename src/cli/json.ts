/** The JSON contracts of the command line. Programs depend on these fields; fields may be added, never changed. */
import type { PairExplanation } from '../advice/index.ts';
import type { RuleSet } from '../p2pdma/index.ts';
import type { Machine } from '../topology/index.ts';
import type { Io } from './io.ts';

/** What every document says of the machine it is about. */
export function machineJson(machine: Machine): Record<string, unknown> {
  return {
    source: machine.source,
    kernel: machine.kernel,
    cpu: machine.cpu,
    given: machine.given ?? [],
    iommu: machine.iommu,
    isVirtual: machine.isVirtual ?? null,
    hostBridges: machine.hostBridges,
    functionCount: machine.functions.length,
    gaps: machine.gaps,
    findings: machine.findings,
  };
}

/** One entry of `verdicts` in `peerlane/verdicts/1`. */
export function verdictJson(explanation: PairExplanation): Record<string, unknown> {
  const { verdict, physical, links, reasons, letters, narrowest } = explanation;
  return {
    provider: verdict.provider,
    client: verdict.client,
    distance: verdict.distance,
    mapType: verdict.mapType,
    usable: verdict.usable,
    trust: explanation.trust,
    decidedBy: verdict.decidedBy,
    rule: verdict.rule,
    candidates: verdict.candidates,
    physical,
    path: verdict.path,
    common: verdict.common ?? null,
    letters,
    links,
    narrowest: narrowest === undefined ? null : narrowest,
    redirects: verdict.redirects,
    unknownAcs: verdict.unknownAcs,
    hostBridge: verdict.hostBridge,
    messages: verdict.messages,
    reasons,
  };
}

/**
 * Writes a `peerlane/verdicts/1` document verdict by verdict, so that the whole is never one string.
 * @param extra further top-level fields, written after `verdicts`
 */
export async function writeVerdicts(
  io: Io,
  machine: Machine,
  rules: RuleSet,
  explanations: Iterable<PairExplanation>,
  extra: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const head = {
    schema: 'peerlane/verdicts/1',
    rules: rules.id,
    rulesUnverified: rules.unverified,
    machine: machineJson(machine),
  };
  await io.out(`${JSON.stringify(head).slice(0, -1)},"verdicts":[`);
  let separator = '\n';
  for (const explanation of explanations) {
    await io.out(separator + JSON.stringify(verdictJson(explanation)));
    separator = ',\n';
  }
  await io.out('\n]');
  for (const [name, value] of Object.entries(extra)) {
    await io.out(`,${JSON.stringify(name)}:${JSON.stringify(value)}`);
  }
  await io.out('}\n');
}
