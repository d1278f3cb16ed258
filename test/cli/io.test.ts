/** What the program does when the person or the reader at the other end goes away. It is the built one: `npm run build`. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';

const io = fileURLToPath(new URL('../../dist/cli/io.js', import.meta.url));

beforeAll(() => {
  if (!existsSync(io)) {
    throw new Error('dist/ is missing: the program is built by `npm ci` and by `npm run build`');
  }
});

/** Runs a body with `io` in scope, in bash as `$RUN`. */
function shell(body: string, script: string) {
  const program = `import { processIo } from ${JSON.stringify(io)}; const io = processIo(); ${body}`;
  return spawnSync('bash', ['-c', script], {
    encoding: 'utf8',
    timeout: 60_000,
    env: { ...process.env, BODY: program, RUN: `${process.execPath} --input-type=module -e "$BODY"` },
  });
}

describe('a reader of stdout that went away', () => {
  const print = `for (let i = 0; i < 100; i++) await io.out('x'.repeat(65536));`;

  it('ends the program quietly', () => {
    const { stdout, stderr } = shell(print, 'eval "$RUN" | true; echo $PIPESTATUS');
    expect({ stdout, stderr }).toEqual({ stdout: '0\n', stderr: '' });
  });

  it('does not turn a failure that is certain into a success', () => {
    const body = `io.exitWith(3); io.err('told\\n'); ${print}`;
    const { stdout, stderr } = shell(body, 'eval "$RUN" | true; echo $PIPESTATUS');
    expect({ stdout, stderr }).toEqual({ stdout: '3\n', stderr: 'told\n' });
  });
});

it('a stderr that takes nothing does not end the program', () => {
  const body = `io.err('lost\\n'); await new Promise((r) => setTimeout(r, 10)); await io.out('printed\\n');`;
  expect(shell(body, 'eval "$RUN" 2>/dev/full')).toMatchObject({ status: 0, stdout: 'printed\n' });
});

const hasTerminal = spawnSync('script', ['--version']).status === 0;
if (!hasTerminal) {
  console.log('skipped: no terminal to ask on (script of util-linux makes one)');
}

describe.skipIf(!hasTerminal)('a question on a terminal', () => {
  /** `keys` are typed, as printf writes them, once the question is there. */
  const asked = (keys: string): string => {
    const body = `const a = await io.ask('well? '); console.log('answer=' + JSON.stringify(a));`;
    const script = `{ sleep 1.5; printf '${keys}'; sleep 1; } | script -qec "$RUN" /dev/null; echo "status=$?"`;
    return shell(body, script).stdout;
  };

  it('is answered by a line', () => {
    expect(asked('yes\\n')).toContain('answer="yes"');
  });

  it('is answered with nothing by the end of input', () => {
    expect(asked('\\004')).toMatch(/answer=""[\s\S]*status=0/);
  });

  it('ends the program by an interrupt, as if nobody had listened', () => {
    const out = asked('\\003');
    expect(out).not.toContain('answer=');
    expect(out).toContain('status=130');
  });
});
