/** Closed forms of a drive: a loop of requests, and one request at a time. */

/**
 * Requests a second of a loop that keeps `depth` in flight.
 * @param latencyNs  of one request, from one submission to the next
 * @param iopsMax    of the controller; Infinity: no limit
 */
export function closedLoopIops(
  depth: number,
  latencyNs: number,
  iopsMax: number = Number.POSITIVE_INFINITY,
): number {
  return Math.min((depth * 1e9) / latencyNs, iopsMax);
}

/**
 * One request in flight, in GB/s.
 * @param fixedNs  what a request takes besides its bytes
 */
export function oneOutstandingGBs(sizeBytes: number, fixedNs: number, rateGBs: number): number {
  return sizeBytes / (fixedNs + sizeBytes / rateGBs);
}

/** GB/s of `depth` requests in flight: latency, the controller's rate of requests, and the media, whichever is least. */
export function driveGoodputGBs(
  sizeBytes: number,
  depth: number,
  fixedNs: number,
  rateGBs: number,
  iopsMax: number = Number.POSITIVE_INFINITY,
): number {
  const latencyNs = fixedNs + sizeBytes / rateGBs;
  return Math.min(rateGBs, (closedLoopIops(depth, latencyNs, iopsMax) * sizeBytes) / 1e9);
}

/** Steps of one command besides its media and data; nanoseconds. */
export interface CommandSteps {
  /** A posted write of the host to the controller: the doorbell, or a whole entry where the queue is in its memory. */
  readonly doorbellNs: number;
  /** Reading 64 bytes of host memory; 0 where the submission queue is in the controller's memory. */
  readonly fetchNs: number;
  /** Lists of PRPs or SGLs that have to be read as well, each like a fetch. */
  readonly lists: number;
  /** Posted writes towards the host: completion entry, and interrupt if there is one. */
  readonly completionNs: number;
}

/** One command from doorbell to completion entry. The interrupt and software come on top. */
export function commandNs(steps: CommandSteps, mediaNs: number, dataNs: number): number {
  return steps.doorbellNs + steps.fetchNs * (1 + steps.lists) + mediaNs + dataNs + steps.completionNs;
}

/** Entries of a PRP list in one 4 KiB page, the last of which points on when there is another. */
const PRPS_PER_LIST = 512;

/** Pages of PRP lists of a transfer that starts on a page: none up to two pages, which fit into the command. */
export function prpLists(sizeBytes: number): number {
  const pages = Math.ceil(sizeBytes / 4096);
  return pages <= 2 ? 0 : Math.ceil((pages - 2) / (PRPS_PER_LIST - 1));
}
