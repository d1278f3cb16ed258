/** Bytes of a text input to lines: encodings, line ends, and the bounds that every text reader shares. */
import { InputError } from '../../base/index.ts';

/** The largest text that is read. A 4,096-function `lspci -vvvxxxx` has about 60 MB. */
export const TEXT_LIMIT_BYTES = 128 * 1024 * 1024;

/** Nothing in these formats is longer; the rest of a longer line is dropped. */
export const LINE_LIMIT_CHARS = 2048;

/** The most functions a text may name. The largest machines known have about 10,000. */
export const FUNCTIONS_MAX = 65_536;

export type TextEncoding = 'utf-8' | 'utf-16le' | 'utf-16be';

/** By byte order mark; without one, text in which every second byte is NUL is UTF-16 (PowerShell writes it). */
export function encodingOf(bytes: Uint8Array): TextEncoding {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) {
    return 'utf-16le';
  }
  if (bytes[0] === 0xfe && bytes[1] === 0xff) {
    return 'utf-16be';
  }
  const sample = Math.min(bytes.length & ~1, 64);
  let evenNuls = 0;
  let oddNuls = 0;
  for (let i = 0; i < sample; i += 2) {
    evenNuls += bytes[i] === 0 ? 1 : 0;
    oddNuls += bytes[i + 1] === 0 ? 1 : 0;
  }
  const pairs = sample / 2;
  if (pairs >= 4 && oddNuls > pairs * 0.8 && evenNuls === 0) {
    return 'utf-16le';
  }
  return pairs >= 4 && evenNuls > pairs * 0.8 && oddNuls === 0 ? 'utf-16be' : 'utf-8';
}

/**
 * Text of an input, without its byte order mark. Bytes that are not valid in the encoding become U+FFFD: names of
 * devices may be in Latin-1, and nothing else in these formats is outside ASCII.
 *
 * @throws {InputError} INPUT_TOO_LARGE, INPUT_EMPTY, INPUT_BINARY
 */
export function decodeText(bytes: Uint8Array, label: string): string {
  if (bytes.length > TEXT_LIMIT_BYTES) {
    throw tooLarge(label);
  }
  const text = decode(bytes, encodingOf(bytes));
  if (/^\s*$/.test(text.slice(0, LINE_LIMIT_CHARS)) && text.trim() === '') {
    throw new InputError('INPUT_EMPTY', {
      message: `${label} is empty`,
      hint: 'lspci prints nothing where it may not read /sys/bus/pci; take the text on the host itself',
    });
  }
  if (text.slice(0, LINE_LIMIT_CHARS).includes('\0')) {
    throw new InputError('INPUT_BINARY', {
      message: `${label} holds binary data, not text`,
      hint: 'expected a tar archive, lspci text, hwloc or NCCL XML, or a udev export',
    });
  }
  return text;
}

/** @throws {InputError} INPUT_TOO_LARGE when `text` is beyond what any reader takes. */
export function checkTextSize(text: string, label: string): void {
  if (text.length > TEXT_LIMIT_BYTES) {
    throw tooLarge(label);
  }
}

function tooLarge(label: string): InputError {
  return new InputError('INPUT_TOO_LARGE', {
    message: `${label} is larger than ${TEXT_LIMIT_BYTES / 1024 / 1024} MiB`,
    hint: 'give the output of one machine only',
  });
}

function decode(bytes: Uint8Array, encoding: TextEncoding): string {
  if (encoding !== 'utf-16be') {
    return new TextDecoder(encoding).decode(bytes);
  }
  // Not every runtime has utf-16be; turning the pairs round always works.
  const swapped = new Uint8Array(bytes.length & ~1);
  for (let i = 0; i < swapped.length; i += 2) {
    swapped[i] = bytes[i + 1]!;
    swapped[i + 1] = bytes[i]!;
  }
  return new TextDecoder('utf-16le').decode(swapped);
}

// Colours and cursor movements of a terminal recording (`script`, `| cat -v` aside): ESC [ ... letter.
const ESCAPE_SEQUENCE = new RegExp(`${String.fromCharCode(27)}\\[[0-9;?]*[A-Za-z]`, 'g');

/** Lines without their ends (LF, CRLF or CR CR LF), cut at `LINE_LIMIT_CHARS`; nothing is copied but the line itself. */
export function* linesOf(text: string): Generator<string> {
  let start = 0;
  while (start < text.length) {
    const newline = text.indexOf('\n', start);
    const next = newline === -1 ? text.length : newline;
    let end = Math.min(next, start + LINE_LIMIT_CHARS);
    while (end > start && text.charCodeAt(end - 1) === 13) {
      end--;
    }
    const line = text.slice(start, end);
    yield line.includes('\u001b') ? line.replace(ESCAPE_SEQUENCE, '') : line;
    start = next + 1;
  }
}
