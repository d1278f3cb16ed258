// Start of the command line beside a bare node. Whole processes, in turn, so that drift of the machine's speed hits both.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const cli = fileURLToPath(new URL('../../bin/peerlane.js', import.meta.url));
const example = fileURLToPath(new URL('../../examples/', import.meta.url));
const ROUNDS = 21;

const commands = {
  'node -e 0': ['-e', '0'],
  'peerlane --version': [cli, '--version'],
  'peerlane --help': [cli, '--help'],
};

function timeMs(args) {
  const started = process.hrtime.bigint();
  const result = spawnSync(process.execPath, args, { stdio: 'ignore', cwd: example });
  if (result.status !== 0) throw new Error(`${args.join(' ')} ended with ${result.status}`);
  return Number(process.hrtime.bigint() - started) / 1e6;
}

const times = Object.fromEntries(Object.keys(commands).map((name) => [name, []]));
for (const args of Object.values(commands)) timeMs(args);
for (let round = 0; round < ROUNDS; round++) {
  for (const [name, args] of Object.entries(commands)) times[name].push(timeMs(args));
}
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const base = median(times['node -e 0']);
for (const [name, values] of Object.entries(times)) {
  const value = median(values);
  console.log(
    `${name.padEnd(20)} median ${value.toFixed(0).padStart(4)} ms   ${(value / base).toFixed(2)} x node`,
  );
}
console.log('floor for --version: 120 ms, goal: 60 ms (on an idle machine)');
