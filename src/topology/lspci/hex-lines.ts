/** Hex dumps: `-x` (64 bytes, CardBus 128), `-xxx` (256), `-xxxx` (4096 where the function has them). */

const CONFIG_SPACE_MAX_BYTES = 4096;
const LINE_BYTES = 16;

const HEX_LINE = /^[\s>|]*([0-9a-f]{2,3}): ((?:[0-9a-f]{2} ){0,15}[0-9a-f]{2})\s*$/i;

export interface HexLine {
  readonly offset: number;
  readonly bytes: readonly number[];
}

export function parseHexLine(line: string): HexLine | undefined {
  const match = HEX_LINE.exec(line);
  if (match === null) {
    return undefined;
  }
  const offset = Number.parseInt(match[1]!, 16);
  return { offset, bytes: match[2]!.split(' ').map((pair) => Number.parseInt(pair, 16)) };
}

/** Collects the lines of one dump; a gap ends it, since what follows has no certain place. */
export class HexDump {
  #bytes: number[] = [];
  #hasGap = false;

  get isEmpty(): boolean {
    return this.#bytes.length === 0;
  }

  get hasGap(): boolean {
    return this.#hasGap;
  }

  add(line: HexLine): void {
    const isNext = line.offset === this.#bytes.length && line.offset % LINE_BYTES === 0;
    if (!isNext || this.#hasGap || line.offset + line.bytes.length > CONFIG_SPACE_MAX_BYTES) {
      this.#hasGap = true;
      return;
    }
    this.#bytes.push(...line.bytes);
  }

  bytes(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}
