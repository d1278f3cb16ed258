/** The report of `peerlane demo`: the machine, the verdicts, where the bytes went, and what that means. */
import { judge, type KernelVerdict, rulesForMachine } from '../../p2pdma/index.ts';
import { type Machine, MachineIndex } from '../../topology/index.ts';
import type { DemoReport, DemoRun } from '../commands/demo.ts';
import type { Io } from '../io.ts';
import { refusalLines } from '../transfer/route.ts';
import type { CopyRun } from '../transfer/run-copy.ts';
import { labelOf, mainName, shortBdf } from './describe.ts';
import { formatBytes, padEnd, printable, type Style, styleFor, suggestionLines, wrap } from './style.ts';
import { linkName } from './traffic.ts';
import { formatNs } from './transfer.ts';
import { renderTree } from './tree.ts';

const WIDTH = 100;

export function* demoText(report: DemoReport, machine: Machine, io: Io): Generator<string> {
  const style = styleFor(io);
  const index = new MachineIndex(machine);
  const title = report.lab.title === null ? '' : `: ${printable(report.lab.title)}`;
  yield `${style.bold('The machine')}, simulated (${printable(report.path)}${title})\n`;
  for (const line of renderTree(machine, style, { isBrief: true })) {
    yield line.trimEnd();
  }
  yield '';
  yield* verdictLines(report, index, style);
  yield '';
  const { names, sizeBytes } = report;
  yield `${style.bold(`${formatBytes(sizeBytes)} from ${names.from} to ${names.to}`)}, each time on a machine just switched on\n`;
  yield* table(report, index, style);
  for (const line of refusalLines(report.refusals)) {
    yield `${style.bad('refused')}  ${wrap(printable(line), WIDTH - 9, '         ')}`;
  }
  yield '';
  yield wrap(`${style.bold('What you saw.')} ${seen(report, index)}`, WIDTH, '');
  yield '';
  yield `${style.bold('What to try next')}`;
  yield* suggestionLines(suggestions(report), style);
}

/** Each function that offers memory, against both drives. */
function* verdictLines(report: DemoReport, index: MachineIndex, style: Style): Generator<string> {
  const rules = rulesForMachine(index.machine);
  const providers = index.machine.functions.filter((fn) => fn.p2pmem != null);
  yield `${style.bold('The verdicts')}: who may reach whose memory, by the rules of ${rules.id}\n`;
  if (providers.length === 0) {
    yield '  no device of this machine offers peer memory';
  }
  for (const provider of providers) {
    for (const { bdf, label } of [
      { bdf: report.from.bdf, label: report.names.from },
      { bdf: report.to.bdf, label: report.names.to },
    ]) {
      const verdict = judge(index, rules, provider.bdf, bdf);
      const whose = mainName(provider) ?? shortBdf(index.machine, provider.bdf);
      yield `  ${padEnd(`memory of ${whose} for ${label}`, 30)} ${answerOf(verdict, index, style)}`;
    }
  }
}

function answerOf(verdict: KernelVerdict, index: MachineIndex, style: Style): string {
  if (verdict.provider === verdict.client) {
    return style.good('its own memory');
  }
  if (verdict.usable === true) {
    const how =
      verdict.mapType === 'bus-addr' ? 'by bus address, below one switch' : 'through the host bridge';
    return `${style.good('usable')} ${how} (${verdict.mapType}, distance ${verdict.distance})`;
  }
  const decided = labelOf(index.machine, (at) => index.find(at), verdict.decidedBy);
  return verdict.usable === false
    ? `${style.bad('not supported')}, decided by ${decided}`
    : style.warn('unknown');
}

const LABEL_WIDTH = 30;
const COLUMN_WIDTH = 28;

function* table({ runs, refusals }: DemoReport, index: MachineIndex, style: Style): Generator<string> {
  const row = (label: string, cells: readonly string[]): string =>
    `  ${[padEnd(label, LABEL_WIDTH), ...cells.map((cell) => padEnd(cell, COLUMN_WIDTH))].join('').trimEnd()}`;
  const each = (cell: (run: DemoRun) => string): readonly string[] => runs.map(cell);
  const bytes = (count: number): string => (count === 0 ? style.good('0 B') : formatBytes(count));
  yield row(
    '',
    each(({ route }) => style.bold(route === 'host' ? 'through host memory' : 'peer to peer')),
  );
  yield row(
    'memory in between',
    each((run) => memoryOf(run, index)),
  );
  yield row('verdict', each(verdictOf));
  yield row(
    'trust',
    each(({ verified, ran }) => (verified ? style.good('verified') : style.bad(ran.result.trust))),
  );
  yield row(
    'bytes over DRAM',
    each(({ ran }) => bytes(ran.traffic!.dramBytes)),
  );
  yield row(
    '  over the root port',
    each(({ ran }) => bytes(ran.traffic!.rootPortBytes)),
  );
  for (const [port, link] of Object.entries(runs[0]?.ran.traffic?.linkBytes ?? {})) {
    const counts = runs.map(({ ran }) => ran.traffic!.linkBytes[port]!);
    // A machine may have hundreds of links that no byte of either copy came near.
    if (counts.some(({ upBytes, downBytes }) => upBytes + downBytes > 0)) {
      const up = padEnd(`  ${linkName(port, link)}`, LABEL_WIDTH - 5);
      yield row(
        `${up}up`,
        counts.map(({ upBytes }) => bytes(upBytes)),
      );
      yield row(
        `${' '.repeat(LABEL_WIDTH - 5)}down`,
        counts.map(({ downBytes }) => bytes(downBytes)),
      );
    }
  }
  yield row(
    'control bytes over DRAM',
    each(({ ran }) => formatBytes(ran.traffic!.controlBytes.dramBytes)),
  );
  yield row(
    '  over the root port',
    each(({ ran }) => formatBytes(ran.traffic!.controlBytes.rootPortBytes)),
  );
  yield row(
    'virtual time',
    each(({ ran }) => formatNs(ran.result.elapsedNs)),
  );
  yield row(
    'throughput',
    each(({ ran }) => `${gbs(ran).toFixed(2)} GB/s`),
  );
  for (const { route, ran } of runs) {
    if (ran.report !== null) {
      const label = padEnd(`  limit ${route === 'host' ? 'through host' : 'peer to peer'}`, LABEL_WIDTH);
      yield `  ${label}${wrap(printable(ran.report.limiter.text.split('; next')[0]!), WIDTH - LABEL_WIDTH - 2, ' '.repeat(LABEL_WIDTH + 2))}`;
    }
  }
  if (refusals.length > 0) {
    yield '';
  }
}

function gbs({ result }: CopyRun): number {
  return result.bytesPerSecond / 1e9;
}

function memoryOf({ choice }: DemoRun, index: MachineIndex): string {
  if (choice.provider === null) {
    return 'host memory';
  }
  const fn = index.find(choice.provider);
  return `memory of ${(fn === undefined ? undefined : mainName(fn)) ?? choice.provider}`;
}

function verdictOf({ choice }: DemoRun): string {
  const { verdict } = choice;
  if (verdict === null) {
    return 'needs none';
  }
  const types = [...new Set(verdict.verdicts.map(({ mapType }) => mapType))];
  return `${types.join(', ')}, distance ${verdict.distance}`;
}

function seen({ runs, names, refusals }: DemoReport, index: MachineIndex): string {
  const peer = runs.find(({ route }) => route === 'peer');
  const verified =
    `"verified" is the drives' own view: what the medium of ${names.to} holds was compared with the medium of ${names.from}, byte by byte, ` +
    'inside the models and not through the window that the data went through; before the copy the two differed.';
  const timed =
    'Queue entries, lists, doorbells and interrupts are counted apart as control. Times are virtual: what this machine would take, by ' +
    'the constants of its platform, links and drives (docs/timing.md).';
  const bounced = `Through host memory every byte is written to DRAM and read from it again, and crosses the root ports both times.`;
  if (peer === undefined) {
    return refusals.length === 0
      ? `${bounced} ${verified} ${timed}`
      : `${bounced} Peer to peer there is no way that the kernel would allow, so nothing was sent. ${verified} ${timed}`;
  }
  const { rootPortBytes } = peer.ran.traffic!;
  const memory = memoryOf(peer, index);
  const peerText =
    rootPortBytes === 0
      ? `Peer to peer the same drivers do the same reads and writes, but each chunk lies in the ${memory}: the switch turns it round, and neither DRAM nor a root port sees a byte of it.`
      : `Peer to peer each chunk lies in the ${memory}: DRAM sees no byte of it, but it still goes through the host bridge, because no switch on the way may turn it round.`;
  return `${bounced} ${peerText} ${ratioText(runs)} ${verified} ${timed}`;
}

/** Alike is a result too: whoever is slower than both ways decides. */
function ratioText(runs: readonly DemoRun[]): string {
  const host = runs.find(({ route }) => route === 'host');
  const peer = runs.find(({ route }) => route === 'peer');
  if (host === undefined || peer === undefined || gbs(host.ran) === 0) {
    return '';
  }
  const ratio = gbs(peer.ran) / gbs(host.ran);
  return Math.abs(ratio - 1) < 0.02
    ? 'Both take the same time on a machine that does nothing else, because the same thing limits both; what differs is what they leave to others.'
    : `On a machine that does nothing else peer to peer is ${ratio.toFixed(2)} times as fast.`;
}

function suggestions(report: DemoReport): readonly (readonly [string, string])[] {
  const lab = printable(report.path);
  return [
    [`peerlane lab ${lab}`, 'this machine, and what else it can do'],
    [`peerlane lab ${lab} check ${report.names.from} ${report.names.to}`, 'the verdict with all its reasons'],
    [
      'peerlane demo examples/nvmet-switch.yaml --from nvme1 --to nvme4',
      'a drive elsewhere: refused, and why',
    ],
    ['peerlane demo examples/epyc.yaml', 'drives that meet in the host bridge only'],
    ['peerlane demo --verdicts', 'a recorded machine, read and explained'],
  ];
}
