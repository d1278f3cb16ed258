/** Which reader an input is for, told from its content and never from its name. */
import { InputError } from '../base/index.ts';
import { isGzip } from './archive/archive-tree.ts';
import { readHwloc } from './hwloc/index.ts';
import { type LspciOptions, readLspci } from './lspci/index.ts';
import type { Machine } from './machine.ts';
import { readNccl } from './nccl/index.ts';
import { decodeText } from './text/index.ts';
import { readUdev } from './udev/index.ts';

/** What an input holds. `gzip` when it is compressed and what is inside was not given. */
export type Recognised = 'tar' | 'gzip' | 'lspci' | 'hwloc' | 'nccl' | 'udev' | 'unknown';

/** So much of an input is looked at; enough for the prompts and remarks that people put before the output. */
export const RECOGNISE_BYTES = 262_144;

/**
 * Tells what `bytes` hold from their first `RECOGNISE_BYTES`.
 *
 * @param gunzipHead  unpacks the start of gzip data (RFC 1952), as far as it goes. With it, compressed input is called by
 *                    what is inside; without it, `gzip`. What it throws is taken for damaged data: `gzip`.
 */
export function recognise(bytes: Uint8Array, gunzipHead?: (bytes: Uint8Array) => Uint8Array): Recognised {
  if (isGzip(bytes)) {
    const head = gunzipHead === undefined ? undefined : unpacked(bytes, gunzipHead);
    return head === undefined || isGzip(head) ? 'gzip' : recognise(head);
  }
  if (isTar(bytes)) {
    return 'tar';
  }
  const head = bytes.subarray(0, RECOGNISE_BYTES);
  try {
    return recogniseText(decodeText(head, ''));
  } catch (error) {
    if (error instanceof InputError) {
      return 'unknown';
    }
    throw error;
  }
}

/** The same for text; never `tar` or `gzip`. */
export function recogniseText(text: string): Recognised {
  const head = text.slice(0, RECOGNISE_BYTES);
  const root = rootElement(head);
  if (root !== undefined) {
    return XML_ROOTS[root] ?? 'unknown';
  }
  if (/^P: \/(?:devices|sys)/m.test(head) && /^E: [A-Z]/m.test(head)) {
    return 'udev';
  }
  return LSPCI_LINES.some((pattern) => pattern.test(head)) ? 'lspci' : 'unknown';
}

/**
 * The machine in a text input of any kind.
 *
 * @param label  names the input in messages
 * @param options  for the readers that need help: see `LspciOptions`
 * @throws {InputError} INPUT_UNKNOWN with what it looks like and what to do, and whatever the reader of its kind throws
 */
export function readText(text: string, label: string, options: LspciOptions = {}): Machine {
  switch (recogniseText(text)) {
    case 'lspci':
      return readLspci(text, label, options);
    case 'hwloc':
      return readHwloc(text, label);
    case 'nccl':
      return readNccl(text, label);
    case 'udev':
      return readUdev(text, label);
    default:
      throw unknownInput(new TextEncoder().encode(text.slice(0, RECOGNISE_BYTES)), label);
  }
}

/**
 * The machine in a text input as it lies in a file: UTF-8 or UTF-16 (PowerShell's `>` writes it), any line ends.
 *
 * @throws {InputError} as `readText`; also INPUT_EMPTY, INPUT_BINARY, INPUT_TOO_LARGE
 */
export function readTextBytes(bytes: Uint8Array, label: string, options: LspciOptions = {}): Machine {
  if (recognise(bytes) === 'unknown' && bytes.length > 0) {
    throw unknownInput(bytes, label);
  }
  return readText(decodeText(bytes, label), label, options);
}

/** The error for an input that no reader takes: what it looks like, and what to give instead. */
export function unknownInput(bytes: Uint8Array, label: string): InputError {
  const look = LOOKS.find(({ test }) => test(bytes, headText(bytes)));
  return new InputError('INPUT_UNKNOWN', {
    message: `${label} ${look?.what ?? 'is of no kind that is read here'}`,
    hint:
      look?.hint ??
      'give a sysroot directory, a tar or tar.gz of one, lspci text, hwloc or NCCL XML, or a udev export',
  });
}

const XML_ROOTS: Readonly<Record<string, Recognised>> = {
  topology: 'hwloc',
  // hwloc before 1.0.
  root: 'hwloc',
  system: 'nccl',
  // An NCCL graph: its reader says what to give instead.
  graphs: 'nccl',
};

/** Name of the first element, past declaration, document type and comments; undefined when the text is no XML. */
function rootElement(text: string): string | undefined {
  let at = 0;
  for (;;) {
    while (at < text.length && text.charCodeAt(at) <= 32) {
      at++;
    }
    if (text[at] !== '<') {
      return undefined;
    }
    const isComment = text.startsWith('<!--', at);
    if (!isComment && text[at + 1] !== '?' && text[at + 1] !== '!') {
      return /^<([A-Za-z_][\w.-]{0,60})/.exec(text.slice(at, at + 64))?.[1];
    }
    const end = isComment ? '-->' : '>';
    const next = text.indexOf(end, at);
    if (next === -1) {
      return undefined;
    }
    at = next + end.length;
  }
}

const ADDRESS =
  '(?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[01][0-9a-f]\\.[0-7](?:/(?:[0-9a-f]{2}:)?[01][0-9a-f]\\.[0-7])*';

/** Any one of them is enough: a headline in its forms, a tree, a `-vmm` record. */
const LSPCI_LINES: readonly RegExp[] = [
  new RegExp(`^[ \\t>|]*${ADDRESS} (?:"|(?:Class )?\\[?[0-9a-f]{4}\\]?: |[A-Za-z0-9][^:\\n]{1,80}: )`, 'im'),
  /^[ \t>|]*-(?:\+-)?\[(?:[0-9a-f]{4,8}:)?[0-9a-f]{2}\]-/im,
  new RegExp(`^(?:Slot|Device):\\s+${ADDRESS}\\s*$`, 'im'),
  /^[ \t>|]*[\u2500\u252c][\u2500\u252c-]*\[(?:[0-9a-f]{4,8}:)?[0-9a-f]{2}\]/im,
];

const TAR_BLOCK_BYTES = 512;
const TAR_CHECKSUM_OFFSET = 148;
const TAR_CHECKSUM_BYTES = 8;

/** By the checksum of the first header, which also old tar files without a magic number have. POSIX.1-1988, 10.1.1. */
function isTar(bytes: Uint8Array): boolean {
  if (bytes.length < TAR_BLOCK_BYTES || bytes[0] === 0) {
    return false;
  }
  let sum = 0;
  let text = '';
  for (let i = 0; i < TAR_BLOCK_BYTES; i++) {
    const isChecksum = i >= TAR_CHECKSUM_OFFSET && i < TAR_CHECKSUM_OFFSET + TAR_CHECKSUM_BYTES;
    sum += isChecksum ? 32 : bytes[i]!;
    text += isChecksum ? String.fromCharCode(bytes[i]!) : '';
  }
  const written = /^[ 0]*([0-7]+)[ \0]*$/.exec(text);
  return written !== null && Number.parseInt(written[1]!, 8) === sum;
}

function unpacked(bytes: Uint8Array, gunzipHead: (bytes: Uint8Array) => Uint8Array): Uint8Array | undefined {
  try {
    return gunzipHead(bytes);
  } catch {
    return undefined;
  }
}

function headText(bytes: Uint8Array): string {
  return new TextDecoder('latin1').decode(bytes.subarray(0, 4096)).trimStart();
}

function startsWith(bytes: Uint8Array, magic: readonly number[]): boolean {
  return magic.every((byte, i) => bytes[i] === byte);
}

interface Look {
  readonly test: (bytes: Uint8Array, head: string) => boolean;
  readonly what: string;
  readonly hint: string;
}

/** Things that people give by mistake, most certain first. */
const LOOKS: readonly Look[] = [
  {
    test: (_, head) => head === '',
    what: 'is empty',
    hint: 'lspci prints nothing where it may not read /sys/bus/pci; take the text on the host itself',
  },
  {
    test: (bytes) =>
      startsWith(bytes, [0xfd, 0x37, 0x7a, 0x58]) ||
      startsWith(bytes, [0x28, 0xb5, 0x2f, 0xfd]) ||
      startsWith(bytes, [0x42, 0x5a, 0x68]) ||
      startsWith(bytes, [0x50, 0x4b, 0x03, 0x04]),
    what: 'is compressed with something other than gzip',
    hint: 'unpack it, or pack it again as tar.gz',
  },
  {
    test: (_, head) => /^(?:<!doctype html|<html)/i.test(head),
    what: 'is a web page',
    hint: 'download the raw file instead of the page that shows it',
  },
  {
    test: (_, head) => head.startsWith('<'),
    what: 'is XML, but neither of hwloc nor of NCCL',
    hint: 'write it with `lstopo topology.xml` or NCCL_TOPO_DUMP_FILE',
  },
  {
    test: (_, head) => /^[[{]/.test(head),
    what: 'is JSON, which no reader here takes',
    hint: 'give a snapshot (`peerlane snapshot`) or the text of `sudo lspci -Dnnvvv -xxxx`',
  },
  {
    test: (_, head) => /^Machine \(/m.test(head),
    what: 'is a drawing of lstopo',
    hint: 'write XML instead: `lstopo --whole-io topology.xml`',
  },
  {
    test: (_, head) =>
      /^\s*GPU0\s.*\b(?:SYS|PIX|PXB|PHB|NODE|NV\d+)\b/m.test(head) || /NVIDIA-SMI/.test(head),
    what: 'is output of nvidia-smi, which has no PCI tree',
    hint: 'give the text of `sudo lspci -Dnnvvv -xxxx` from the same machine',
  },
  {
    test: (bytes) => [64, 256, 4096].includes(bytes.length) && bytes.includes(0),
    what: 'looks like the config space of one function',
    hint: 'one function has no pair; give a sysroot directory or a snapshot of the machine',
  },
  {
    test: (bytes) => bytes.subarray(0, 4096).includes(0),
    what: 'is binary and no archive',
    hint: 'give a sysroot directory, a tar or tar.gz of one, or text; a tar may have been damaged on its way',
  },
];
