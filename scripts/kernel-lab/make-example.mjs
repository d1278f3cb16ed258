// Takes examples/two-switches.tar.gz anew: boots its machine (test/oracle/example-machine.ts) in QEMU and runs `peerlane snapshot`
// inside, with this checkout's build. Needs what the kernel oracle needs; scripts/kernel-lab/prepare.sh fetches it.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
function run(...args) {
  const { status } = spawnSync(process.execPath, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, PEERLANE_MAKE_EXAMPLE: '1', PEERLANE_ORACLE: 'required' },
  });
  if (status !== 0) process.exit(status ?? 1);
}
run('scripts/build.mjs');
run('node_modules/vitest/vitest.mjs', 'run', 'test/oracle/example.test.ts');
