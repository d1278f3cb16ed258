// The whole gate, `npm test`: format and lint, types, import directions, then every suite, the kernel oracle included
// where QEMU is. `npm test -- distance` runs the suites whose path contains `distance` and skips the rest.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const bin = (name) => join(root, 'node_modules', '.bin', name);
const args = process.argv.slice(2);
const noOracle = args.includes('--no-oracle');
const onlyOracle = args.includes('--only-oracle');
const filters = args.filter((arg) => !arg.startsWith('--'));

function run(title, command, commandArgs, env = {}) {
  const started = Date.now();
  console.log(`\n== ${title}`);
  const result = spawnSync(command, commandArgs, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  const ok = result.status === 0;
  console.log(
    `== ${title}: ${ok ? 'ok' : `failed (${result.signal ?? `exit ${result.status}`})`} in ${seconds} s`,
  );
  return ok;
}

const failures = [];
if (filters.length === 0 && !onlyOracle) {
  const steps = [
    ['format and lint', bin('biome'), ['check', '--error-on-warnings', '.']],
    ['types', bin('tsc'), ['-p', 'tsconfig.json']],
    ['import directions', process.execPath, ['scripts/check-imports.mjs']],
  ];
  for (const [title, command, commandArgs] of steps) {
    if (!run(title, command, commandArgs)) failures.push(title);
  }
}
if (!run('build', process.execPath, ['scripts/build.mjs'])) failures.push('build');

const scratch = mkdtempSync(join(tmpdir(), 'peerlane-gate-'));
const totals = { passed: 0, failed: 0, skipped: 0, reasons: new Map() };

function suites(title, vitestArgs) {
  const summary = join(scratch, `${title.replace(/\W+/g, '-')}.json`);
  const ok = run(
    title,
    bin('vitest'),
    [
      'run',
      '--passWithNoTests',
      ...vitestArgs,
      '--reporter=default',
      '--reporter=./scripts/summary-reporter.mjs',
    ],
    {
      PEERLANE_TEST_SUMMARY: summary,
    },
  );
  if (!ok) failures.push(title);
  try {
    const counted = JSON.parse(readFileSync(summary, 'utf8'));
    totals.passed += counted.passed;
    totals.failed += counted.failed;
    totals.skipped += counted.skipped;
    for (const [reason, count] of Object.entries(counted.reasons)) {
      totals.reasons.set(reason, (totals.reasons.get(reason) ?? 0) + count);
    }
  } catch {
    failures.push(`${title} (no summary)`);
  }
}

if (!onlyOracle) suites('suites', [...filters, '--exclude', 'test/oracle/**']);
// Two virtual machines at a time: each keeps one core busy.
if (!noOracle)
  suites('kernel oracle', [
    ...(filters.length === 0 ? ['test/oracle'] : filters),
    '--maxWorkers=2',
    ...(filters.length === 0 ? [] : ['--dir', 'test/oracle']),
  ]);
rmSync(scratch, { recursive: true, force: true });

if (failures.length > 0) console.log(`\nfailed: ${failures.join(', ')}`);
console.log(`\ntests: ${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
const reasons = [...totals.reasons].map(([reason, count]) => `${count} ${reason}`).join('; ');
const notRun = noOracle ? 'kernel oracle not asked for' : '';
console.log(
  `skipped: ${totals.skipped}${reasons === '' ? '' : ` (${reasons})`}${notRun === '' ? '' : `; ${notRun}`}`,
);
process.exit(failures.length === 0 && totals.failed === 0 ? 0 : 1);
