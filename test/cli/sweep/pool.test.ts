// Real threads. The worker is transpiled for it, as the build does; Node 20 loads no TypeScript.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import ts from 'typescript';
import { afterAll, describe, expect, it } from 'vitest';
import { ownThread, type PointPool, threadPool } from '../../../src/cli/sweep/pool.ts';

const folder = mkdtempSync(join(tmpdir(), 'peerlane-pool-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const source = fileURLToPath(new URL('../../../src/cli/sweep/worker.ts', import.meta.url));
const worker = join(folder, 'worker.mjs');
writeFileSync(
  worker,
  ts.transpileModule(readFileSync(source, 'utf8'), {
    compilerOptions: { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext },
  }).outputText,
);

const job = join(folder, 'job.mjs');
writeFileSync(
  job,
  `import { threadId } from 'node:worker_threads';
class Typed extends Error { code = 'LAB_VALUE'; hint = 'do this'; exitStatus = 2; }
export async function runLabJob(text, label, onStep) {
  onStep(0.5);
  if (text === 'typed') throw new Typed('no such thing in ' + label);
  if (text === 'bug') throw new TypeError('bug');
  if (text === 'crash') process.exit(1);
  if (text === 'hang') await new Promise(() => setInterval(() => {}, 1000));
  return { length: text.length, threadId };
}
`,
);
const jobModule = pathToFileURL(job).href;
const task = (text: string, progress = new SharedArrayBuffer(8)) => ({
  jobModule,
  text,
  label: 'box.yaml',
  progress,
});

const pools: readonly [string, () => Promise<PointPool>][] = [
  ['threads', () => threadPool(2, pathToFileURL(worker).href)],
  ['this thread', async () => ownThread()],
];

describe.each(pools)('a pool of %s', (name, open) => {
  it('computes points, and an error of one is its result', async () => {
    const pool = await open();
    try {
      const run = (text: string) => pool.run(task(text));
      const [first, typed, bug, last] = await Promise.all(['abc', 'typed', 'bug', 'abcd'].map(run));
      expect(first).toMatchObject({ metrics: { length: 3 } });
      expect(typed).toEqual({
        error: { code: 'LAB_VALUE', message: 'no such thing in box.yaml', hint: 'do this' },
      });
      expect(bug).toMatchObject({
        error: { code: null, message: expect.stringMatching(/^TypeError: bug\n/) },
      });
      expect(last).toMatchObject({ metrics: { length: 4 } });
      expect((first as { metrics: { threadId: number } }).metrics.threadId > 0).toBe(name === 'threads');
    } finally {
      await pool.close();
    }
  });

  it('tells how far a point is', async () => {
    const pool = await open();
    try {
      const progress = new SharedArrayBuffer(8);
      await pool.run(task('abc', progress));
      expect(new Float64Array(progress)[0]).toBe(0.5);
    } finally {
      await pool.close();
    }
  });

  it('computes nothing after it was closed', async () => {
    const pool = await open();
    await pool.close();
    await expect(pool.run(task('x'))).rejects.toThrow();
  });
});

describe('a pool of threads', () => {
  it('outlives a thread that dies: its point failed, the next is computed', async () => {
    const pool = await threadPool(1, pathToFileURL(worker).href);
    try {
      expect(await pool.run(task('crash'))).toMatchObject({
        error: { code: 'HOST_WORKER_LOST' },
      });
      expect(await pool.run(task('abc'))).toMatchObject({ metrics: { length: 3 } });
    } finally {
      await pool.close();
    }
  });

  it('ends what is under way when it is closed', async () => {
    const pool = await threadPool(1, pathToFileURL(worker).href);
    const hanging = pool.run(task('hang'));
    const ended = expect(hanging).rejects.toThrow();
    await pool.close();
    await ended;
  });
});
