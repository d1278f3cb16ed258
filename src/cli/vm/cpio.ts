/** Archives that the kernel unpacks into its first file system. Linux Documentation/driver-api/early-userspace/buffer-format.rst. */

export interface CpioEntry {
  readonly name: string;
  /** File type and permissions, as in stat(2). */
  readonly mode: number;
  /** Missing: a directory. */
  readonly data?: Uint8Array;
}

const TRAILER: CpioEntry = { name: 'TRAILER!!!', mode: 0 };
const ALIGNMENT = 4;

/** The "newc" format. An archive may follow another; of two files with one name the later stays. */
export function cpioArchive(entries: readonly CpioEntry[]): Buffer {
  const parts: Uint8Array[] = [];
  const pad = (length: number): void => {
    parts.push(new Uint8Array((ALIGNMENT - (length % ALIGNMENT)) % ALIGNMENT));
  };
  for (const [index, entry] of [...entries, TRAILER].entries()) {
    const data = entry.data ?? new Uint8Array();
    const name = Buffer.from(`${entry.name}\0`);
    const links = 1;
    const fields = [index + 1, entry.mode, 0, 0, links, 0, data.length, 0, 0, 0, 0, name.length, 0];
    const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`;
    parts.push(Buffer.from(header), name);
    pad(header.length + name.length);
    parts.push(data);
    pad(data.length);
  }
  return Buffer.concat(parts);
}
