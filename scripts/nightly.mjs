// The long ones: the newest kernel of all instead of the pinned series, many random machines instead of a few, and an hour of
// random labs with workloads in virtual time. Those begin at another seed every day; PEERLANE_TIMED_SEED repeats a night.
import { spawnSync } from 'node:child_process';

if (process.argv.length > 2) {
  console.log(
    'npm run nightly: the whole gate with the newest kernel, many random machines and an hour of random labs. It takes no\n' +
      'arguments; PEERLANE_TIMED_LABS, PEERLANE_TIMED_SEED, PEERLANE_ORACLE_BOOTS and PEERLANE_PROOF_LABS change how much.',
  );
  process.exit(process.argv[2] === '--help' || process.argv[2] === '-h' ? 0 : 2);
}

const MS_PER_DAY = 86_400_000;
const LABS = 8000;

const env = {
  ...process.env,
  PEERLANE_KERNEL_SERIES: process.env.PEERLANE_KERNEL_SERIES ?? 'newest',
  PEERLANE_ORACLE_BOOTS: process.env.PEERLANE_ORACLE_BOOTS ?? '60',
  PEERLANE_NVME_CLI_TESTS: process.env.PEERLANE_NVME_CLI_TESTS ?? 'all',
  PEERLANE_PROOF_LABS: process.env.PEERLANE_PROOF_LABS ?? '2000',
  PEERLANE_TIMED_LABS: process.env.PEERLANE_TIMED_LABS ?? String(LABS),
  PEERLANE_TIMED_FABRICS: process.env.PEERLANE_TIMED_FABRICS ?? '2000',
  PEERLANE_TIMED_SEED: process.env.PEERLANE_TIMED_SEED ?? String(Math.floor(Date.now() / MS_PER_DAY) * LABS),
};
console.log(
  `PEERLANE_TIMED_SEED=${env.PEERLANE_TIMED_SEED} PEERLANE_TIMED_LABS=${env.PEERLANE_TIMED_LABS} PEERLANE_TIMED_FABRICS=${env.PEERLANE_TIMED_FABRICS}`,
);
const fetched = spawnSync('bash', ['scripts/kernel-lab/prepare.sh'], { stdio: 'inherit', env });
if (fetched.status !== 0) process.exit(fetched.status ?? 1);
const result = spawnSync(process.execPath, ['scripts/gate.mjs'], { stdio: 'inherit', env });
process.exit(result.status ?? 1);
