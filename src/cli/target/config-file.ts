/**
 * The file of `peerlane target`: YAML or JSON in the shape of `nvmetcli saveconfig`, with the place of what is wrong.
 *
 * Values of the file are printed only where the reader of configurations quotes them, which it does for names and numbers, not secrets.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { type Document, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import { InputError, TargetError } from '../../base/index.ts';
import { readConfig, type TargetConfig } from '../../orchestrators/index.ts';

/** Thousands of namespaces are less. */
const FILE_BYTES_MAX = 4 << 20;
/** Aliases in a configuration of people are few; more is a file that expands without end. */
const ALIASES_MAX = 100;

type Step = string | number;

/** A configuration, and where its parts are. */
export interface TargetFile {
  readonly path: string;
  readonly config: TargetConfig;
  /** The error that says what is wrong with it; problems start with where (`ports[0].addr.traddr is missing`). */
  readonly refuse: (problems: readonly string[]) => TargetError;
}

/** @throws {InputError} INPUT_MISSING, INPUT_UNREADABLE, INPUT_TOO_LARGE; {TargetError} TARGET_SYNTAX, TARGET_CONFIG */
export function readTargetFile(path: string): TargetFile {
  return parseTargetFile(readText(path), path);
}

/** @throws {TargetError} TARGET_SYNTAX, TARGET_CONFIG */
export function parseTargetFile(text: string, path: string): TargetFile {
  const lines = new LineCounter();
  const { document, value } = readDocument(text, path, lines);
  const refuse = (problems: readonly string[]): TargetError => {
    const placed = problems.map((problem) => `${path}${positionOf(document, lines, problem)}: ${problem}`);
    return new TargetError('TARGET_CONFIG', {
      message: `${placed[0]}${placed.length > 1 ? ` (and ${placed.length - 1} more)` : ''}`,
      hint: 'the names are those of nvmetcli saveconfig; docs/nvmet.md has all of them',
      detail: { path, problems: placed },
    });
  };
  try {
    return { path, config: readConfig(value), refuse };
  } catch (error) {
    if (error instanceof TargetError && Array.isArray(error.detail.problems)) {
      throw refuse(error.detail.problems as readonly string[]);
    }
    throw error;
  }
}

function readDocument(text: string, path: string, lines: LineCounter) {
  try {
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
    const wrong = document.errors[0];
    if (wrong !== undefined) {
      throw syntax(path, `${placeOf(lines, wrong.pos[0])}: ${wrong.message.split('\n')[0]}`, wrong);
    }
    return { document, value: document.toJS({ maxAliasCount: ALIASES_MAX }) as unknown };
  } catch (error) {
    if (error instanceof TargetError) {
      throw error;
    }
    // Aliases without anchors or without end, and nesting deeper than the parser's stack.
    throw syntax(path, `: ${error instanceof Error ? error.message : String(error)}`, error);
  }
}

function syntax(path: string, what: string, cause: unknown): TargetError {
  return new TargetError('TARGET_SYNTAX', {
    message: `${path}${what}`,
    hint: 'the file is YAML or JSON; examples/target.json is one',
    detail: { path },
    cause,
  });
}

function placeOf(lines: LineCounter, offset: number): string {
  const { line, col } = lines.linePos(offset);
  return `:${Math.max(1, line)}:${Math.max(1, col)}`;
}

/** `:LINE:COLUMN` of what a problem is about, or of the nearest thing around it; nothing where that is not known. */
function positionOf(document: Document, lines: LineCounter, problem: string): string {
  const offset = offsetOf(document, stepsOf(document, problem));
  return offset === undefined ? '' : placeOf(lines, offset);
}

const PATH = /^(?:config\.?)?((?:[a-z_0-9]+(?:\[\d+\])?)(?:\.[a-z_0-9]+(?:\[\d+\])?)*)? /;
const LISTS: Readonly<Record<string, string>> = { host: 'hosts', subsystem: 'subsystems', port: 'ports' };

function stepsOf(document: Document, problem: string): readonly Step[] {
  // `port 1 is there twice`: the last of them.
  const twice = /^(host|subsystem|port) (\S+) is there twice$/.exec(problem);
  if (twice !== null) {
    return lastItem(
      document,
      [LISTS[twice[1]!]!],
      (twice[1] === 'port' ? 'portid' : 'nqn') as string,
      twice[2]!,
    );
  }
  const namespace = /^namespace of (\S+) (\S+) is there twice$/.exec(problem);
  if (namespace !== null) {
    const subsystem = lastItem(document, ['subsystems'], 'nqn', namespace[1]!);
    return lastItem(document, [...subsystem, 'namespaces'], 'nsid', namespace[2]!);
  }
  // `NQN allows HOST, which is not among the hosts`, `port 1 has NQN, which is not among the subsystems`.
  const allows = /^(\S+) allows (\S+), /.exec(problem);
  if (allows !== null) {
    return lastText(
      document,
      [...lastItem(document, ['subsystems'], 'nqn', allows[1]!), 'allowed_hosts'],
      allows[2]!,
    );
  }
  const port = /^(?:ANA group of )?port (\d+)(?: has (\S+),)?/.exec(problem);
  if (port !== null) {
    const steps = lastItem(document, ['ports'], 'portid', port[1]!);
    return port[2] === undefined ? steps : lastText(document, [...steps, 'subsystems'], port[2]);
  }
  const path = PATH.exec(problem)?.[1] ?? '';
  return path
    .split(/[.[\]]+/)
    .filter((step) => step !== '')
    .map((step) => (/^\d+$/.test(step) ? Number(step) : step));
}

function lastItem(document: Document, list: readonly Step[], key: string, value: string): readonly Step[] {
  const items = document.getIn(list, true);
  const index = isSeq(items)
    ? items.items.findLastIndex((item) => isMap(item) && String(item.get(key)) === value)
    : -1;
  return index < 0 ? list : [...list, index];
}

function lastText(document: Document, list: readonly Step[], text: string): readonly Step[] {
  const items = document.getIn(list, true);
  const index = isSeq(items)
    ? items.items.findLastIndex((item) => isScalar(item) && String(item.value) === text)
    : -1;
  return index < 0 ? list : [...list, index];
}

function offsetOf(document: Document, steps: readonly Step[]): number | undefined {
  let offset = document.contents?.range?.[0];
  for (let depth = 1; depth <= steps.length; depth++) {
    const node = document.getIn(steps.slice(0, depth), true);
    if (!(isMap(node) || isSeq(node) || isScalar(node))) {
      break;
    }
    offset = node.range?.[0] ?? offset;
  }
  return offset;
}

function readText(path: string): string {
  try {
    const fd = openSync(path, 'r');
    try {
      return readAll(fd, path);
    } finally {
      closeSync(fd);
    }
  } catch (cause) {
    if (cause instanceof InputError) {
      throw cause;
    }
    const errno = (cause as NodeJS.ErrnoException).code;
    if (errno === 'ENOENT' || errno === 'ENOTDIR') {
      throw new InputError('INPUT_MISSING', {
        message: `${path} does not exist`,
        hint: 'check the path; examples/target.json is such a file',
        detail: { path },
        cause,
      });
    }
    throw new InputError('INPUT_UNREADABLE', {
      message: `${path} cannot be read: ${errno ?? String(cause)}`,
      hint: 'name a file that you may read',
      detail: { path, errno },
      cause,
    });
  }
}

function readAll(fd: number, path: string): string {
  const bytes = Buffer.alloc(FILE_BYTES_MAX + 1);
  let length = 0;
  for (let got = -1; got !== 0 && length < bytes.length; length += got) {
    got = readSync(fd, bytes, length, bytes.length - length, null);
  }
  if (length > FILE_BYTES_MAX) {
    throw new InputError('INPUT_TOO_LARGE', {
      message: `${path}: more than ${FILE_BYTES_MAX >> 20} MiB`,
      hint: 'is it the configuration of a target?',
      detail: { path, bytesMax: FILE_BYTES_MAX },
    });
  }
  return bytes.toString('utf8', 0, length);
}
