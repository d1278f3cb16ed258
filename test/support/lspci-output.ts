// What the installed lspci (pciutils) prints for a dump, cut into functions, sections and lines.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Version text of the installed lspci, or null; says so when there is none. */
export function lspciVersion(): string | null {
  try {
    return execFileSync('lspci', ['--version'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    }).trim();
  } catch {
    console.log('skipped: no lspci here (apt-get install pciutils)');
    return null;
  }
}

/** One line below a label; lines that go on under a label carry it too. */
export interface LspciLine {
  /** `DevCtl`, `SltSta/Changed`; empty for the title of a capability. */
  readonly label: string;
  readonly text: string;
}

export interface LspciSection {
  /** Null for the header; otherwise where the capability is. */
  readonly offset: number | null;
  readonly isExtended: boolean;
  readonly title: string;
  readonly lines: readonly LspciLine[];
}

export interface LspciFunction {
  readonly address: string;
  readonly sections: readonly LspciSection[];
}

/** Runs `lspci -F dump -vvv -nn` and cuts what it prints. */
export function runLspci(dump: string): LspciFunction[] {
  const directory = mkdtempSync(join(tmpdir(), 'peerlane-lspci-'));
  try {
    const file = join(directory, 'dump.txt');
    writeFileSync(file, dump);
    const text = execFileSync('lspci', ['-F', file, '-vvv', '-nn'], {
      encoding: 'utf8',
      maxBuffer: 64 << 20,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return cut(text);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function cut(text: string): LspciFunction[] {
  const functions: {
    address: string;
    sections: { offset: number | null; isExtended: boolean; title: string; lines: LspciLine[] }[];
  }[] = [];
  let label = '';
  for (const line of text.split('\n')) {
    const head = /^((?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]) (.*)$/.exec(line);
    if (head !== null) {
      functions.push({
        address: head[1]!,
        sections: [
          { offset: null, isExtended: false, title: head[2]!, lines: [{ label: '', text: head[2]! }] },
        ],
      });
      continue;
    }
    const current = functions.at(-1);
    const content = line.trim();
    if (current === undefined || content === '') {
      continue;
    }
    const capability = /^\tCapabilities: \[([0-9a-f]+)( v\d+)?\] (.*)$/.exec(line);
    if (capability !== null) {
      const title = capability[3]!;
      current.sections.push({
        offset: Number.parseInt(capability[1]!, 16),
        isExtended: capability[2] !== undefined,
        title,
        lines: [{ label: '', text: title }],
      });
      label = '';
      continue;
    }
    const section = current.sections.at(-1)!;
    const indent = /^\t*/.exec(line)![0].length;
    const isContinued = indent > (section.offset === null ? 1 : 2);
    const named = /^([A-Za-z][A-Za-z0-9/ -]*?):\s*(.*)$/.exec(content);
    if (!isContinued) {
      // `SltCtl: Enable: AttnBtn+` names two levels in one line.
      const nested = named === null ? null : /^(Enable|Status|Control):\s+(.*)$/.exec(named[2]!);
      label = named?.[1] ?? '';
      section.lines.push(
        nested === null
          ? { label, text: named?.[2] ?? content }
          : { label: `${label}/${nested[1]}`, text: nested[2]! },
      );
    } else if (named !== null && /^(Changed|Status|Control|Enable)$/.test(named[1]!)) {
      section.lines.push({ label: `${label}/${named[1]}`, text: named[2]! });
    } else {
      section.lines.push({ label, text: content });
    }
  }
  return functions;
}

/** `Mem+ BusMaster-` of a line, in its order. */
export function flagsOf(text: string): { token: string; isSet: boolean }[] {
  const flags: { token: string; isSet: boolean }[] = [];
  for (const match of text.matchAll(/([A-Za-z0-9_<>./#-]+?):?([+-])(?=[\s,;()]|$)/g)) {
    flags.push({ token: match[1]!, isSet: match[2] === '+' });
  }
  return flags;
}
