/** Peer memory as users of p2pmem-test and fio name it: by the kernel's file, by function, or as an old character device. */
import { CopyError, UsageError } from '../base/index.ts';
import type { RouteChoice } from '../orchestrators/index.ts';
import type { Io } from './io.ts';
import type { TransferEnd, TransferMachine } from './transfer/machine.ts';
import { printRefusals, resolveRoute } from './transfer/route.ts';

/** `/sys/bus/pci/devices/0000:03:00.0/p2pmem/allocate`, also below /sys/devices. */
const ALLOCATE_FILE = /(?:^|\/)([0-9a-f]{4,8}:[0-9a-f]{2}:[0-1][0-9a-f]\.[0-7])\/p2pmem(?:\/allocate)?\/?$/i;

/**
 * What `--via` would be given for the same memory.
 * @returns an address, or the text itself: a name that the machine knows or not
 * @throws {UsageError} USAGE_PEER_MEMORY for the devices of before Linux 6.2
 */
export function providerOf(text: string): string {
  if (/^\/dev\/p2pmem/.test(text)) {
    throw new UsageError('USAGE_PEER_MEMORY', {
      message: `${text} is a device of the p2pmem-pci driver, which kernels before 6.2 had; it is not used here`,
      hint: 'name the function that has the memory, or its p2pmem/allocate',
    });
  }
  return ALLOCATE_FILE.exec(text)?.[1]?.toLowerCase() ?? text;
}

/**
 * The route through memory that was named by other words than `--via`.
 * @param memory  undefined: host memory
 * @throws {CopyError} COPY_NO_ROUTE with exit status 1; {TopologyError} for a name that nothing has
 */
export function routeThrough(
  machine: TransferMachine,
  memory: string | undefined,
  ends: readonly TransferEnd[],
  io: Io,
): RouteChoice {
  try {
    const via = memory === undefined ? 'host' : providerOf(memory);
    const choice = resolveRoute(machine, { via, ends, fallback: false });
    return { ...choice, why: choice.why.replace('named with --via', 'as named') };
  } catch (error) {
    printRefusals(io, error);
    if (error instanceof CopyError && error.code === 'COPY_NO_ROUTE') {
      throw new CopyError('COPY_NO_ROUTE', {
        message: error.message,
        hint: 'without peer memory it is host memory; `peerlane fix` tells what would open a route',
        detail: error.detail,
        exitStatus: 1,
        cause: error,
      });
    }
    throw error;
  }
}
