/**
 * What is wrong with a lab into which a sweep has put values, told as a mistake in the values: the text that was read is none that
 * anybody wrote, so its lines say nothing.
 */
import { LabError } from '../../base/index.ts';

interface Problem {
  readonly message: string;
}

/** @param given  what was put into the lab, `path=value` each; at least one */
export function mistakeIn(given: readonly string[], error: LabError, label: string): LabError {
  const { code, message, hint, exitStatus } = withoutPosition(error, label);
  return new LabError(code, {
    message: `${given.map((set) => `--set ${set}`).join(' ')}: ${message}`,
    ...(hint === undefined ? {} : { hint }),
    detail: { sets: given },
    exitStatus,
    cause: error,
  });
}

/** The same error without line and column. @param label  the path of the lab file */
export function withoutPosition(error: LabError, label: string): LabError {
  const problems = problemsOf(error);
  const [first, ...others] = problems;
  const rest = Math.max(0, Number(error.detail.count ?? problems.length) - 1);
  const message =
    first === undefined
      ? bare(error.message, label)
      : `${first.message}${rest === 0 ? '' : ` (and ${rest} more)`}`;
  const hint = others.length === 0 ? error.hint : `also ${others.slice(0, 3).map(messageOf).join('; ')}`;
  return new LabError(error.code, {
    message,
    ...(hint === undefined ? {} : { hint }),
    exitStatus: error.exitStatus,
    cause: error,
  });
}

const messageOf = ({ message }: Problem): string => message;

function problemsOf({ detail }: LabError): readonly Problem[] {
  const problems: unknown = detail.problems;
  return Array.isArray(problems) ? (problems as Problem[]) : [];
}

/** Without `box.yaml:12:3: ` or `box.yaml: ` before it. */
function bare(message: string, label: string): string {
  const place = message.startsWith(label) ? /^(?::\d+:\d+)?: /.exec(message.slice(label.length)) : null;
  return place === null ? message : message.slice(label.length + place[0].length);
}
