/** The program: arguments in, exit status out. Commands are loaded when they are asked for. */
import { readFileSync } from 'node:fs';

function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return (manifest as { version: string }).version;
}

const args = process.argv.slice(2);
if (args.length === 1 && (args[0] === '--version' || args[0] === '-V')) {
  // The one question that shells and scripts ask most; it needs no command line parser.
  process.stdout.write(`${version()}\n`);
} else {
  const { run } = await import('./program.ts');
  process.exitCode = await run(args, version());
}
