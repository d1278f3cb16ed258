/**
 * A job file as sections of options with their lines: the ini format as fio 3.33 reads it.
 *
 * `;` and `#` end a line wherever they stand. `[global]` may come again and then holds for what follows. Leaves out what the
 * options mean (`jobs.ts`), and `include`, `${...}` and `$pagesize` and its like, which are refused.
 */
import { PeerlaneError } from '../../base/index.ts';

/** A job file that cannot be used. Codes start with FIO_; `detail` has `line` and what is wrong. */
export class FioError extends PeerlaneError {}

export interface FioOptionLine {
  readonly key: string;
  /** Undefined: the key stands alone. */
  readonly value: string | undefined;
  /** From 1. */
  readonly line: number;
}

export interface FioSection {
  readonly name: string;
  readonly line: number;
  readonly options: readonly FioOptionLine[];
}

/** A file of jobs is a page or two; what is larger is something else. */
const TEXT_LENGTH_MAX = 1_048_576;
const LINES_MAX = 20_000;
/** fio's own limit of a line. */
const LINE_LENGTH_MAX = 4096;

/** @param file  for messages @throws {FioError} FIO_SYNTAX, FIO_TOO_LARGE, FIO_UNSUPPORTED */
export function readSections(text: string, file: string): readonly FioSection[] {
  const sections: { name: string; line: number; options: FioOptionLine[] }[] = [];
  const lines = text.length > TEXT_LENGTH_MAX ? [] : text.split(/\r\n|\n|\r/);
  if (text.length > TEXT_LENGTH_MAX || lines.length > LINES_MAX) {
    throw new FioError('FIO_TOO_LARGE', {
      message: `${file} is larger than a job file can be`,
      hint: 'is it the right file?',
    });
  }
  for (const [index, whole] of lines.entries()) {
    const line = index + 1;
    if (whole.length > LINE_LENGTH_MAX) {
      throw problemAt(
        file,
        line,
        'FIO_SYNTAX',
        `a line of ${whole.length} characters`,
        'is it the right file?',
      );
    }
    const content = whole.replace(/[;#].*$/s, '').trim();
    if (content === '') {
      continue;
    }
    if (content.startsWith('[')) {
      const end = content.indexOf(']');
      const name = end < 0 ? '' : content.slice(1, end).trim();
      if (name === '' || content.slice(end + 1).trim() !== '') {
        throw problemAt(
          file,
          line,
          'FIO_SYNTAX',
          `${quoted(content)} is no section`,
          'write [name] on a line of its own',
        );
      }
      sections.push({ name, line, options: [] });
      continue;
    }
    const section = sections.at(-1);
    if (/^include\s/.test(content)) {
      throw problemAt(file, line, 'FIO_UNSUPPORTED', '`include` is not supported', 'put the text here');
    }
    if (section === undefined) {
      throw problemAt(
        file,
        line,
        'FIO_SYNTAX',
        `${quoted(content)} stands before the first [section]`,
        'put [global] or the name of a job above it',
      );
    }
    section.options.push(optionOf(content, file, line));
  }
  return sections;
}

function optionOf(content: string, file: string, line: number): FioOptionLine {
  const at = content.indexOf('=');
  const key = (at < 0 ? content : content.slice(0, at)).trim();
  const value = at < 0 ? undefined : content.slice(at + 1).trim();
  if (!/^[a-z][a-z0-9_-]*$/.test(key)) {
    throw problemAt(
      file,
      line,
      'FIO_SYNTAX',
      `${quoted(key)} is no name of an option`,
      'options are option=value, in small letters',
    );
  }
  if (value === '') {
    throw problemAt(
      file,
      line,
      'FIO_VALUE',
      `\`${key}\` has no value after =`,
      'give one, or take the line out',
    );
  }
  if (value !== undefined && /\$(\{|pagesize|mb_memory|ncpus)/.test(value)) {
    throw problemAt(
      file,
      line,
      'FIO_UNSUPPORTED',
      `\`${key}\`: variables such as ${quoted(value)} are not supported`,
      'write the value itself',
    );
  }
  return { key, value, line };
}

/** The one form of every complaint about a job file. */
export function problemAt(file: string, line: number, code: string, what: string, hint: string): FioError {
  return new FioError(code, { message: `${file}:${line}: ${what}`, hint, detail: { line, what } });
}

const QUOTE_LENGTH_MAX = 60;

function quoted(text: string): string {
  return text.length <= QUOTE_LENGTH_MAX ? `\`${text}\`` : `\`${text.slice(0, QUOTE_LENGTH_MAX)}...\``;
}
