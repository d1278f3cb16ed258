// The long ones: the newest kernel of all instead of the pinned series, and many random machines instead of a few.
import { spawnSync } from 'node:child_process';

const env = {
  ...process.env,
  PEERLANE_KERNEL_SERIES: process.env.PEERLANE_KERNEL_SERIES ?? 'newest',
  PEERLANE_ORACLE_BOOTS: process.env.PEERLANE_ORACLE_BOOTS ?? '60',
  PEERLANE_PROOF_LABS: process.env.PEERLANE_PROOF_LABS ?? '2000',
};
const fetched = spawnSync('bash', ['scripts/kernel-lab/prepare.sh'], { stdio: 'inherit', env });
if (fetched.status !== 0) process.exit(fetched.status ?? 1);
const result = spawnSync(process.execPath, ['scripts/gate.mjs'], { stdio: 'inherit', env });
process.exit(result.status ?? 1);
