/** Config spaces as `lspci -xxxx` prints them and `lspci -F` reads them back. pciutils, lspci(8). */
import { bdfParts } from '../../base/index.ts';
import type { SysfsState } from './sysfs-state.ts';
import { functionsOf } from './sysfs-tree.ts';

const BYTES_PER_LINE = 16;

/** The domain is written where the machine has more than one, as lspci does. */
export function lspciHex(state: SysfsState): string {
  const functions = functionsOf(state);
  const domains = new Set(functions.map(({ bdf }) => bdfParts(bdf).domain));
  const isDomainShown = domains.size > 1 || !domains.has(0);
  return functions
    .map(({ bdf, config, facts }) => {
      const address = isDomainShown ? bdf : bdf.slice('0000:'.length);
      const id = `${hex(facts.vendorId ?? 0, 4)}:${hex(facts.deviceId ?? 0, 4)}`;
      const head = `${address} ${hex((facts.classCode ?? 0) >>> 8, 4)}: ${id}`;
      return `${[head, ...hexLines(config)].join('\n')}\n\n`;
    })
    .join('');
}

function hexLines(config: Uint8Array): string[] {
  const lines: string[] = [];
  for (let offset = 0; offset < config.length; offset += BYTES_PER_LINE) {
    const bytes = [...config.subarray(offset, offset + BYTES_PER_LINE)].map((byte) => hex(byte, 2));
    lines.push(`${hex(offset, 2)}: ${bytes.join(' ')}`);
  }
  return lines;
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}
