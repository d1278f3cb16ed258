// Hex dumps as `lspci -x...` prints them, as far as the tests need: addresses and bytes. The product's reader is elsewhere.

export interface HexDump {
  /** As the dump spells it: `00:1f.2` or `0001:00:1f.2`. */
  readonly address: string;
  readonly bytes: Uint8Array;
}

/** The functions of a dump, in its order. */
export function parseHexDump(text: string): HexDump[] {
  const dumps: { address: string; bytes: number[] }[] = [];
  for (const line of text.split('\n')) {
    const head = /^((?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])\b/.exec(line);
    if (head !== null) {
      dumps.push({ address: head[1]!, bytes: [] });
      continue;
    }
    const row = /^([0-9a-f]{2,3}):((?: [0-9a-f]{2}){1,16})\s*$/.exec(line);
    const current = dumps.at(-1);
    if (row !== null && current !== undefined && Number.parseInt(row[1]!, 16) === current.bytes.length) {
      current.bytes.push(
        ...row[2]!
          .trim()
          .split(' ')
          .map((pair) => Number.parseInt(pair, 16)),
      );
    }
  }
  return dumps
    .filter((dump) => dump.bytes.length > 0)
    .map((dump) => ({ ...dump, bytes: Uint8Array.from(dump.bytes) }));
}

/** The other direction: what `lspci -F` reads. */
export function formatHexDump(dumps: readonly HexDump[]): string {
  const rows = dumps.flatMap(({ address, bytes }) => {
    const lines = [`${address} Device`];
    for (let at = 0; at < bytes.length; at += 16) {
      const row = [...bytes.subarray(at, at + 16)].map((byte) => byte.toString(16).padStart(2, '0'));
      lines.push(`${at.toString(16).padStart(2, '0')}: ${row.join(' ')}`);
    }
    return [...lines, ''];
  });
  return `${rows.join('\n')}\n`;
}
