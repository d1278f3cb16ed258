// Where data lies that tests read but that is not part of the repository.
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const repositoryRoot = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

/** PEERLANE_TESTDATA, or the folder `shared` beside the checkout. */
export const testdataRoot = resolve(repositoryRoot, process.env.PEERLANE_TESTDATA ?? '../shared');

/** A path below the test data; it may not exist. */
export function testdataPath(...parts: string[]): string {
  return join(testdataRoot, ...parts);
}

/** True when it exists; otherwise one visible line says what will be skipped and how to supply it. */
export function hasTestdata(...parts: string[]): boolean {
  if (existsSync(testdataPath(...parts))) {
    return true;
  }
  console.log(`skipped: no test data at ${testdataPath(...parts)} (set PEERLANE_TESTDATA)`);
  return false;
}
