/** What a person's mistake looks like: one line that says what, where and what to do, exit status 2, no data. */
import { expect } from 'vitest';
import { type CliResult, runCli } from './run-cli.ts';

/** @returns the line */
export async function expectRefusal(args: readonly string[], ...says: readonly string[]): Promise<string> {
  return expectRefused(await runCli(args), ...says);
}

export function expectRefused(result: Omit<CliResult, 'writes'>, ...says: readonly string[]): string {
  expect(result).toMatchObject({ status: 2, stdout: '' });
  const line = result.stderr;
  // The message, a hint after the semicolon, and where the error has a type its code: one line, nothing unprintable.
  expect(line).toMatch(/^peerlane: \P{C}+; \P{C}+\n$/u);
  expect(line).not.toContain('bug in peerlane');
  for (const text of says) {
    expect(line).toContain(text);
  }
  return line;
}
