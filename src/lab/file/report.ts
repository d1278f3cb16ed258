/** From what zod says to problems that a person understands. */
import type * as z from 'zod';
import type { LabErrorCode } from './problems.ts';
import type { LabPath } from './values.ts';

/** Takes a problem of one block; `path` leads from the block. With `isKey` the key is meant and not its value. */
export type Report = (code: LabErrorCode, path: LabPath, message: string, isKey?: boolean) => void;

const EXPECTED: Readonly<Record<string, string>> = {
  array: 'a list is expected',
  object: 'a block of keys is expected',
};

export function reportIssues(issues: readonly z.core.$ZodIssue[], report: Report): void {
  for (const issue of issues) {
    const path = issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step));
    switch (issue.code) {
      case 'unrecognized_keys': {
        const messages = issue.message.split('\n');
        issue.keys.forEach((key, index) => {
          report('LAB_UNKNOWN_KEY', [...path, key], messages[index] ?? issue.message, true);
        });
        break;
      }
      case 'custom':
        report(
          (issue.params?.code as LabErrorCode | undefined) ?? 'LAB_VALUE',
          path,
          named(path, issue.message),
        );
        break;
      case 'invalid_type':
        report('LAB_VALUE', path, named(path, EXPECTED[issue.expected] ?? 'a value is missing'));
        break;
      default:
        report('LAB_VALUE', path, named(path, issue.message));
    }
  }
}

/** Says which field is meant, when the problem has one. */
function named(path: LabPath, message: string): string {
  const fields = path.filter((step) => typeof step === 'string');
  return fields.length === 0 ? message : `${fields.join('.')}: ${message}`;
}
