/** One question to the kernel: a machine's snapshot, and what the kernel answers for every pair of its functions. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Lab } from './cache.ts';
import { type RandomMachine, randomMachine } from './random-machine.ts';
import { type BootResult, bootAndRun } from './vm.ts';

export interface KernelCase {
  readonly machine: RandomMachine;
  /** A sysroot as tar.gz, taken after the ACS control words were written. */
  readonly snapshotTarGz: Uint8Array;
  /** Per line: provider, client, distance, map type or `-`. */
  readonly verdictsTsv: string;
}

const snapshotScript = new URL('guest/snapshot.sh', import.meta.url);

/**
 * Virtual functions first, as they are devices like others to the kernel. The module comes last: it makes every function a
 * provider, and a provider cannot be bound to another driver.
 */
const caseScript = `
for device in /sys/bus/pci/devices/*; do
  if [ "$(cat $device/sriov_totalvfs 2> /dev/null || echo 0)" -gt 0 ]; then
    echo 0 > $device/sriov_drivers_autoprobe
    echo 3 > $device/sriov_numvfs
  fi
done
. $LAB/parameters
insmod $LAB/peerlane_verdicts.ko acs_seed=$acs_seed acs_percent=$acs_percent || exit 1
cat /proc/peerlane_verdicts > $LAB/out/verdicts.tsv || exit 1
sh $LAB/snapshot.sh $LAB/out/snapshot.tar
`;

/** Boots the machine that belongs to the seed and asks. */
export async function collectCase(lab: Lab, seed: number): Promise<KernelCase> {
  const machine = randomMachine(seed);
  const result = await bootAndRun({
    lab,
    machine,
    modules: ['nvme', 'e1000e', 'xhci_pci', 'virtio_rng', 'virtio_balloon', 'virtio_scsi'],
    files: {
      'snapshot.sh': readFileSync(snapshotScript),
      'peerlane_verdicts.ko': readFileSync(lab.verdictModule!),
      parameters: `acs_seed=${machine.acsSeed}\nacs_percent=${machine.acsPercent}\n`,
    },
    script: caseScript,
  });
  if (result.status !== 0) {
    throw new Error(
      `${machine.name}: the guest's script failed (${result.status}): ${result.stderr}\n${result.console}`,
    );
  }
  return {
    machine,
    snapshotTarGz: gzipSync(output(result, 'snapshot.tar')),
    verdictsTsv: output(result, 'verdicts.tsv').toString(),
  };
}

/** Writes a case where a person can look at it, in the form of the recorded ones. @returns the folder */
export function saveCase(question: KernelCase): string {
  const folder = mkdtempSync(join(tmpdir(), `peerlane-case-${question.machine.seed}-`));
  writeFileSync(join(folder, 'snapshot.tar.gz'), question.snapshotTarGz);
  writeFileSync(join(folder, 'verdicts.tsv'), question.verdictsTsv);
  writeFileSync(join(folder, 'machine.json'), `${JSON.stringify(question.machine, null, 2)}\n`);
  return folder;
}

function output(result: BootResult, name: string): Buffer {
  const file = result.files.get(name);
  if (file === undefined || file.length === 0) {
    throw new Error(`the guest left no ${name}: ${result.stderr}`);
  }
  return file;
}
