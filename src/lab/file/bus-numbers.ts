/** Which address and which port number an entry gets where the file does not say. The printer asks the same functions. */

export interface DeviceAddress {
  readonly device: number;
  readonly function: number;
}

export const DEVICES_PER_BUS = 32;

/**
 * Addresses on one bus. Those given stay; the others get function 0 of the next device that nobody has.
 *
 * @param given  null where the file says nothing
 * @param taken  devices that are not free: that of the host bridge's own function
 * @returns null for those that find no room
 */
export function assignAddresses(
  given: readonly (DeviceAddress | null)[],
  taken: readonly number[] = [],
): (DeviceAddress | null)[] {
  const used = new Set([...taken, ...given.flatMap((address) => (address === null ? [] : [address.device]))]);
  let next = 0;
  return given.map((address) => {
    if (address !== null) {
      return address;
    }
    while (used.has(next)) {
      next++;
    }
    used.add(next);
    return next < DEVICES_PER_BUS ? { device: next, function: 0 } : null;
  });
}

/** Port numbers of one switch or root bus, in the order of the file: given, or the next from 1 that nobody has. */
export function assignPorts(given: readonly (number | null)[]): number[] {
  const used = new Set(given.filter((port) => port !== null));
  let next = 1;
  return given.map((port) => {
    if (port !== null) {
      return port;
    }
    while (used.has(next)) {
      next++;
    }
    used.add(next);
    return next;
  });
}
