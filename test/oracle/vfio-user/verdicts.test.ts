/**
 * Machines full of served devices: the running kernel sees the tree that the lab has as exported, with our devices in it as they
 * are, and its verdicts about them are ours. One of the machines has an IOMMU, so that each device has addresses of its own.
 */
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { parseLab } from '../../../src/lab/file/index.ts';
import { LabMachine } from '../../../src/lab/machine/index.ts';
import { asExported } from '../../../src/lab/qemu/index.ts';
import { MachineIndex } from '../../../src/topology/index.ts';
import { vfioUserLabAvailable } from '../cache.ts';
import { compareCase, compareMachine, machineOf } from '../compare.ts';
import { byAddress, factsOf, isOfLab, withKernel, withoutLaboratory } from '../exported-facts.ts';
import { expectCleanEnd, ServedLab } from './served-lab.ts';
import { bootServed } from './served-vm.ts';

const EIDETICOM = readFileSync(new URL('../../../examples/eideticom.yaml', import.meta.url), 'utf8');

/** Kinds of devices, functions of one device, switches below switches, two host bridges, an IOMMU. */
const MANY_SHAPES = `
peerlane: lab/1
cpu: {vendor: amd, family: 25, model: 1}
iommu: translated
memory: 2G
host-bridges:
  - below:
      - root-port:
        at: 01.0
        below:
          - {nvme: multi0, at: "00.0", cmb: 2M, namespaces: 64M}
          - {nvme: multi1, at: .1, namespaces: 64M}
      - {root-port: empty, at: 02.0}
      - {root-port: old, at: 03.0, acs: none, below: [{generic: pci0}]}
  - root-bus: "40"
    below:
      - switch:
        below:
          - {memory: mem0, bars: {0: 32M}}
          - switch:
            below: [{nvme: far, cmb: 16M, namespaces: 64M}, {dma-engine: mover}]
`;

const script = `
insmod $LAB/peerlane_verdicts.ko acs_seed=0 acs_percent=0 || exit 1
cat /proc/peerlane_verdicts > $LAB/out/verdicts.tsv || exit 1
sh $LAB/snapshot.sh $LAB/out/snapshot.tar
`;

const found = vfioUserLabAvailable();
describe.skipIf(!found.ok)(`verdicts about served devices${found.ok ? '' : `: ${found.why}`}`, () => {
  it.for([
    ['eideticom.yaml', EIDETICOM],
    ['many shapes', MANY_SHAPES],
  ] as const)('%s: the kernel sees the devices of the lab, and judges as we do', async ([name, text]) => {
    const kernelLab = found.ok ? found.lab : expect.unreachable();
    const served = await ServedLab.start(text);
    const result = await bootServed({
      lab: kernelLab,
      served,
      hostRoot: false,
      files: {
        'snapshot.sh': readFileSync(new URL('../guest/snapshot.sh', import.meta.url)),
        'peerlane_verdicts.ko': readFileSync(kernelLab.verdictModule!),
      },
      script,
    });
    expect(result.status, result.stderr).toBe(0);
    const snapshot = gzipSync(result.files.get('snapshot.tar')!);
    const verdicts = result.files.get('verdicts.tsv')!.toString();
    expect(compareCase(snapshot, verdicts, name).differences).toEqual([]);

    const lab = withKernel(parseLab(text, name), kernelLab.kernelVersion);
    const exported = asExported(lab, Object.keys(served.report.devices));
    const simulated = LabMachine.boot(exported, { label: name }).machine();
    const guest = machineOf(snapshot, name);
    const ours = simulated.functions.map(factsOf).sort(byAddress);
    expect(ours).toEqual(guest.functions.filter(isOfLab).map(factsOf).sort(byAddress));
    const { differences, kinds, pairCount } = compareMachine(
      new MachineIndex(simulated),
      withoutLaboratory(verdicts),
    );
    expect(differences).toEqual([]);
    expect(pairCount).toBe(ours.length ** 2);
    console.log(`${name}, served: ${pairCount} pairs, ${JSON.stringify(kinds)}`);
    await expectCleanEnd(served);
  });
});
