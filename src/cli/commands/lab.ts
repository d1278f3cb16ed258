/** `peerlane lab FILE` alone: what the lab is, and what to try with it. */
import { type LabEnd, labEnds, parseLab } from '../../lab/index.ts';
import type { Machine } from '../../topology/index.ts';
import type { Io } from '../io.ts';
import { machineJson } from '../json.ts';
import { bootParsed, machineOf, type RunningLab, warnOfBoot } from '../lab/boot.ts';
import { openLabFile } from '../machine-input.ts';
import { machineLine, mainName } from '../render/describe.ts';
import { formatBytes, printable, styleFor, suggestionLines } from '../render/style.ts';
import { renderTree } from '../render/tree.ts';

/** @throws {InputError} a file that cannot be read; {LabError} one that is no lab */
export async function labOverview(
  path: string,
  options: { readonly json: boolean },
  io: Io,
): Promise<number> {
  const { text } = openLabFile(path);
  const lab = parseLab(text, path);
  const running = bootParsed(path, lab);
  warnOfBoot(running, io);
  const machine = machineOf(running);
  const ends = labEnds(running.machine);
  if (options.json) {
    await io.out(
      `${JSON.stringify({ schema: 'peerlane/lab/1', title: lab.title, machine: machineJson(machine), blocks: ends })}\n`,
    );
    return 0;
  }
  const style = styleFor(io);
  const memoryBytes = lab.memory.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const nodes = lab.memory.length === 1 ? '' : ` in ${lab.memory.length} NUMA nodes`;
  if (lab.title !== null) {
    await io.out(`${style.bold(printable(lab.title))}\n`);
  }
  await io.out(`${machineLine(machine)}; ${formatBytes(memoryBytes)} of memory${nodes}\n\n`);
  for (const line of renderTree(machine, style, { isBrief: true })) {
    await io.out(line);
  }
  if (ends.length > 0) {
    const drives = ends.slice(0, 12).map(({ label, sizeBytes }) => `${label} (${formatBytes(sizeBytes)})`);
    const more = ends.length > drives.length ? `, and ${ends.length - drives.length} more` : '';
    await io.out(`\n${style.bold('Drives')}: ${printable(drives.join(', '))}${more}\n`);
  }
  await io.out(`\n${style.bold('Try')}\n`);
  const tried = suggestions(running, machine, ends).map(
    ([command, what]) => [printable(`peerlane lab ${path} ${command}`), what] as const,
  );
  await io.out(`${suggestionLines(tried, style).join('\n')}\n`);
  return 0;
}

function suggestions(
  running: RunningLab,
  machine: Machine,
  ends: readonly LabEnd[],
): readonly (readonly [string, string])[] {
  const provider = machine.functions.find(({ p2pmem }) => p2pmem?.published === true);
  const owner = provider === undefined ? undefined : mainName(provider);
  const names = running.machine.members
    .filter(({ model }) => model !== null)
    .flatMap(({ node }) => (node.name === null ? [] : [node.name]));
  const first = owner ?? names[0];
  const second = names.find((name) => name !== first);
  const namespaces = ends.filter(({ nsid }) => nsid !== null);
  const [from, to] = namespaces;
  return [
    ['topo', 'the whole tree'],
    ['matrix', 'who can reach whose memory'],
    ...(first === undefined || second === undefined
      ? []
      : ([
          [`check ${first} ${second}`, 'one pair, with all reasons'],
          [`predict ${first} ${second}`, 'what it will deliver, by closed forms'],
          [`fix ${first} ${second}`, 'what to change, where it is refused'],
        ] as const)),
    ...(from === undefined || to === undefined
      ? []
      : ([
          [`copy ${from.label} ${to.label} --size 64M --verify`, 'peer to peer, or why not'],
          ['demo', 'both ways, side by side'],
        ] as const)),
    ...(running.lab.workload === null
      ? []
      : ([['bench', 'its workload in virtual time, and what limits it']] as const)),
    ['snapshot -o lab.tar.gz', 'as a real machine would be recorded'],
  ];
}
