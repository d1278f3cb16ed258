/** What the number of requests in flight, and of credits, allows (PCIe Base 6.0, 2.2.6.2 and 2.6). */

/** Tags a requester can have in flight: 5 bits, 8 bits (extended), 10 bits. */
export const TAG_POOLS = { basic: 32, extended: 256, tenBit: 768 } as const;

/** One data credit. */
export const DATA_CREDIT_BYTES = 16;

/**
 * Reads with `tags` requests in flight, in GB/s.
 * @param linkGoodputGBs  what the link would deliver (readGoodputGBs)
 * @param roundTripNs     from the request leaving to the last completion byte, the whole MRRS serialised
 */
export function taggedReadGoodputGBs(
  linkGoodputGBs: number,
  tags: number,
  mrrsBytes: number,
  roundTripNs: number,
): number {
  return Math.min(linkGoodputGBs, (tags * mrrsBytes) / roundTripNs);
}

/** Requests that must be in flight so that the link is the limit. */
export function tagsToSaturate(linkGoodputGBs: number, mrrsBytes: number, roundTripNs: number): number {
  return Math.ceil((linkGoodputGBs * roundTripNs) / mrrsBytes);
}

/** Posted writes limited by credits, in GB/s; the loop is the time until a credit comes back. */
export function postedCreditGoodputGBs(
  headerCredits: number,
  dataCredits: number,
  payloadBytes: number,
  loopNs: number,
): number {
  const whole = Math.ceil(payloadBytes / DATA_CREDIT_BYTES);
  const packets = Math.min(headerCredits, dataCredits / whole);
  return (packets * payloadBytes) / loopNs;
}

/** Data credits that keep a stream of `goodputGBs` from being throttled. */
export function dataCreditsToSaturate(goodputGBs: number, loopNs: number): number {
  return Math.ceil((goodputGBs * loopNs) / DATA_CREDIT_BYTES);
}

/** Reads limited by credits for their requests, in GB/s: each request holds one header credit until it is taken on. */
export function nonPostedCreditGoodputGBs(
  headerCredits: number,
  mrrsBytes: number,
  roundTripNs: number,
): number {
  return (headerCredits * mrrsBytes) / roundTripNs;
}

/** Strictly ordered posted writes, each waiting until the one before has been seen, in GB/s. */
export function strictWriteGoodputGBs(writeBytes: number, visibleNs: number): number {
  return writeBytes / visibleNs;
}
