/**
 * PCI addresses: domain, bus, device, function.
 *
 * The text form is `0000:03:00.0`. Domains are 16 bit on most machines and wider below an Intel VMD (`10000:`), so the
 * domain has four or more hexadecimal digits.
 */

/** A function's full address in its one canonical spelling: lower case, domain of at least four digits. */
export type Bdf = string & { readonly __brand: 'Bdf' };

export interface BdfParts {
  readonly domain: number;
  readonly bus: number;
  readonly device: number;
  readonly function: number;
}

const BDF_PATTERN = /^(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}):([0-1][0-9a-f])\.([0-7])$/i;

/** Reads `0000:03:00.0` or `03:00.0` (domain 0). Anything else is undefined. */
export function parseBdf(text: string): BdfParts | undefined {
  const match = BDF_PATTERN.exec(text);
  if (match === null) {
    return undefined;
  }
  return {
    domain: match[1] === undefined ? 0 : Number.parseInt(match[1], 16),
    bus: Number.parseInt(match[2]!, 16),
    device: Number.parseInt(match[3]!, 16),
    function: Number.parseInt(match[4]!, 16),
  };
}

/** The canonical text of an address, or undefined when `text` is none. */
export function toBdf(text: string): Bdf | undefined {
  const parts = parseBdf(text);
  return parts === undefined ? undefined : formatBdf(parts);
}

export function formatBdf(parts: BdfParts): Bdf {
  const domain = parts.domain.toString(16).padStart(4, '0');
  const bus = parts.bus.toString(16).padStart(2, '0');
  const device = parts.device.toString(16).padStart(2, '0');
  return `${domain}:${bus}:${device}.${parts.function.toString(16)}` as Bdf;
}

/** Parts of an address that is known to be canonical. */
export function bdfParts(bdf: Bdf): BdfParts {
  const dot = bdf.length - 2;
  const colon = dot - 3;
  return {
    domain: Number.parseInt(bdf.slice(0, colon - 3), 16),
    bus: Number.parseInt(bdf.slice(colon - 2, colon), 16),
    device: Number.parseInt(bdf.slice(colon + 1, dot), 16),
    function: Number.parseInt(bdf.slice(dot + 1), 16),
  };
}

/** Orders by domain, bus, device, function: the order in which Linux normally enumerates. */
export function compareBdf(a: Bdf, b: Bdf): number {
  if (a.length !== b.length) {
    return a.length - b.length;
  }
  return a < b ? -1 : a > b ? 1 : 0;
}
