/**
 * Labs exported to QEMU and booted: the running kernel sees the tree that our simulated machine has, and its verdicts are ours,
 * for the snapshot that the guest gives and for the simulated machine as exported.
 */
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { parseLab } from '../../src/lab/file/index.ts';
import { LabMachine } from '../../src/lab/machine/index.ts';
import { asExported, qemuCommand } from '../../src/lab/qemu/index.ts';
import { MachineIndex } from '../../src/topology/index.ts';
import { verdictLabAvailable } from './cache.ts';
import { compareCase, compareMachine, machineOf } from './compare.ts';
import { byAddress, factsOf, isOfLab, withKernel, withoutLaboratory } from './exported-facts.ts';
import type { CpuModel } from './machines.ts';
import { bootAndRun } from './vm.ts';

const example = (name: string) => readFileSync(new URL(`../../examples/${name}`, import.meta.url), 'utf8');

/** Everything that the export can do, in one machine. */
const MANY_SHAPES = `
peerlane: lab/1
cpu: {vendor: amd, family: 25, model: 1}
iommu: translated
memory: [1G, 1G]
host-bridges:
  - numa-node: 0
    below:
      - root-port:
        at: 01.0
        acs: [SV, UF]
        below:
          - nvme: multi0
            at: "00.0"
            cmb: 1500K
          - nvme: multi1
            at: .1
      - root-port: empty
        at: 02.0
      - root-port: old
        at: 03.0
        acs: none
        below:
          - pci-bridge:
            below:
              - generic: pci0
              - generic: pci1
      - generic: chip
        at: 1f.0
        integrated: yes
  - numa-node: 1
    root-bus: "40"
    below:
      - switch:
        below:
          - memory: mem0
            bars: {0: 32M}
          - switch:
            below: [{nvme: far, cmb: 16M}, {nic: eth}]
      - gpu: gpu0
`;

const labs: readonly (readonly [name: string, text: string])[] = [
  ['eideticom.yaml', example('eideticom.yaml')],
  ['dgx-like.yaml', example('dgx-like.yaml')],
  ['many shapes', MANY_SHAPES],
];

const script = `
insmod $LAB/peerlane_verdicts.ko acs_seed=0 acs_percent=0 || exit 1
cat /proc/peerlane_verdicts > $LAB/out/verdicts.tsv || exit 1
sh $LAB/snapshot.sh $LAB/out/snapshot.tar
`;

const found = verdictLabAvailable();
describe.skipIf(!found.ok)(`labs in QEMU${found.ok ? '' : `: ${found.why}`}`, () => {
  it.for(labs)('%s: the kernel sees the same tree and gives the same verdicts', async ([name, text]) => {
    const kernelLab = found.ok ? found.lab : expect.unreachable();
    const lab = withKernel(parseLab(text, name), kernelLab.kernelVersion);
    const command = qemuCommand(lab, { memoryMb: 1024 });
    const result = await bootAndRun({
      lab: kernelLab,
      machine: {
        name,
        cpu: command.cpu as CpuModel,
        arguments: command.machineArguments,
        append: command.append,
      },
      memoryMb: command.memoryMb,
      modules: ['nvme'],
      files: {
        'snapshot.sh': readFileSync(new URL('guest/snapshot.sh', import.meta.url)),
        'peerlane_verdicts.ko': readFileSync(kernelLab.verdictModule!),
      },
      script,
    });
    expect(result.status, result.stderr).toBe(0);
    const snapshot = gzipSync(result.files.get('snapshot.tar')!);
    const verdicts = result.files.get('verdicts.tsv')!.toString();

    expect(compareCase(snapshot, verdicts, name).differences).toEqual([]);

    const guest = machineOf(snapshot, name);
    const simulated = LabMachine.boot(asExported(lab), { label: name }).machine();
    const ours = simulated.functions.map(factsOf).sort(byAddress);
    const theirs = guest.functions.filter(isOfLab).map(factsOf).sort(byAddress);
    expect(ours).toEqual(theirs);
    const own = withoutLaboratory(verdicts);
    const index = new MachineIndex(simulated);
    const { differences, kinds, pairCount } = compareMachine(index, own);
    expect(differences).toEqual([]);
    expect(pairCount).toBe(ours.length ** 2);
    console.log(`${name}: ${pairCount} pairs, ${JSON.stringify(kinds)}`);
    // What finds nothing must be able to find something.
    const altered = own.replace(/\t(bus-addr|not-supported|thru-host-bridge)\n/, '\tunknown\n');
    expect(compareMachine(index, altered).differences).toHaveLength(1);
  });
});
