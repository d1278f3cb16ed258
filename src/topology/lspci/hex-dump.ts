/** Config spaces as `lspci -xxxx` prints them and `lspci -F` reads them back. pciutils, lspci(8). */
import { bdfParts } from '../../base/index.ts';
import type { MachineFunction } from '../machine.ts';

const BYTES_PER_LINE = 16;

export type DumpedFunction = Pick<MachineFunction, 'bdf' | 'vendorId' | 'deviceId' | 'classCode' | 'config'>;

/**
 * One block a function; those whose config space was not readable are left out. The domain is written where the machine has
 * more than one, as lspci does.
 */
export function lspciHexDump(functions: readonly DumpedFunction[]): string {
  const domains = new Set(functions.map(({ bdf }) => bdfParts(bdf).domain));
  const isDomainShown = domains.size > 1 || !domains.has(0);
  return functions
    .filter(({ config }) => config !== undefined)
    .map(({ bdf, vendorId, deviceId, classCode, config }) => {
      const address = isDomainShown ? bdf : bdf.slice('0000:'.length);
      const id = `${hex(vendorId ?? 0, 4)}:${hex(deviceId ?? 0, 4)}`;
      const head = `${address} ${hex((classCode ?? 0) >>> 8, 4)}: ${id}`;
      return `${[head, ...hexLines(config!)].join('\n')}\n\n`;
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
