import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DONE, PS_PER_MS, STATUS } from '../../../src/access/index.ts';
import { SeededRandom } from '../../../src/base/index.ts';
import { NVM_OPCODE, NVME_STATUS } from '../../../src/spec/nvme/index.ts';
import type { Misbehaviour } from './fake-controller.ts';
import { Requests, started } from './harness.ts';

const BLOCK = 512;
const STREAM_BYTES = 128 * BLOCK;
/** Two commands each, more than a queue takes at once. */
const REQUEST_BYTES = 32 * BLOCK;
const REQUESTS = STREAM_BYTES / REQUEST_BYTES;
const QUEUES = 24;

/** Each stream has a queue and a range of its own; errors of all kinds are mixed in. */
function run(seed: number, hasResets: boolean): void {
  const random = new SeededRandom(seed);
  const kinds: (Misbehaviour | undefined)[] = [
    { status: NVME_STATUS.INTERNAL_ERROR },
    { status: NVME_STATUS.UNRECOVERED_READ_ERROR, doNotRetry: true },
    { extraCompletions: 1 },
    { wrongCid: 0xffff },
    { silent: true },
    { delayPs: PS_PER_MS },
    { drop: true },
    ...(hasResets ? [{ drop: true, deaf: true }, { fatal: true }] : []),
  ];
  const bench = started({
    seed,
    fake: {
      queuesMax: QUEUES,
      msixVectors: 9,
      mdts: 1,
      namespaces: [{ nsid: 1, blocks: (QUEUES * STREAM_BYTES) / BLOCK, blockShift: 9 }],
      onCommand: (queueId) => (queueId > 0 && random.below(40) === 0 ? random.pick(kinds) : undefined),
    },
    driver: { queueCount: QUEUES, queueDepth: 5, retriesMax: 20, resetsMax: 10 },
  });
  expect(bench.controller.queues).toHaveLength(QUEUES);
  const media = bench.fake.namespaces.get(1)!.media;
  const from = bench.platform.hostSpan(QUEUES * STREAM_BYTES);
  const into = bench.platform.hostSpan(QUEUES * STREAM_BYTES);
  for (let i = 0; i < from.bytes.length; i++) {
    from.bytes[i] = random.next32();
  }
  const streams = Array.from({ length: QUEUES }, (_, i) => {
    const namespace = bench.controller.openNamespace(1, { queues: [i] });
    return { start: i * STREAM_BYTES, namespace, requests: new Requests(bench, namespace) };
  });
  /** Where the request with a token is, and how it ended. */
  const ends = (first: number): { readonly offset: number; readonly status: number }[] =>
    streams.flatMap(({ start, requests }) =>
      Array.from({ length: REQUESTS }, (_, i) => ({
        offset: start + i * REQUEST_BYTES,
        status: requests.ends.get(first + i)![0]!,
      })),
    );
  const sameBytes = (a: Uint8Array, b: Uint8Array, offset: number): boolean =>
    Buffer.compare(a.subarray(offset, offset + REQUEST_BYTES), b.subarray(offset, offset + REQUEST_BYTES)) ===
    0;

  for (const { start, namespace, requests } of streams) {
    for (let i = 0; i < REQUESTS; i++) {
      const offset = start + i * REQUEST_BYTES;
      requests.begin((token) => namespace.write(offset, from, offset, REQUEST_BYTES, token));
    }
  }
  bench.idle();
  const held = new Uint8Array(from.lengthBytes);
  media.read(0, held, 0, held.length);
  const written = ends(1);
  for (const { offset, status } of written) {
    expect([DONE, STATUS.IO]).toContain(status);
    expect(status !== DONE || sameBytes(held, from.bytes, offset)).toBe(true);
  }
  expect(written.filter(({ status }) => status === DONE).length).toBeGreaterThan(written.length / 2);

  for (const { start, namespace, requests } of streams) {
    for (let i = 0; i < REQUESTS; i++) {
      const offset = start + i * REQUEST_BYTES;
      requests.begin((token) => namespace.read(offset, into, offset, REQUEST_BYTES, token));
    }
  }
  bench.idle();
  for (const { offset, status } of ends(1 + REQUESTS)) {
    expect([DONE, STATUS.IO]).toContain(status);
    expect(status !== DONE || sameBytes(held, into.bytes, offset)).toBe(true);
  }
  for (const { requests } of streams) {
    expect(requests.wrong).toEqual([]);
  }
  bench.run(bench.controller.closing());
  from.close();
  into.close();
  expect(bench.platform.hostPlaces).toBe(0);
  expect(bench.platform.strayRequests).toBe(0);
}

describe('24 queues at once, with injected errors and delays', () => {
  it('loses no completion and doubles none', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => run(seed, false)),
      { numRuns: 12 },
    );
  });

  it('nor over resets', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => run(seed, true)),
      { numRuns: 12 },
    );
  });
});

describe('one queue of two entries', () => {
  it('passes everything through its only slot, in order', () => {
    const bench = started({ seed: 3, driver: { queueDepth: 1 }, fake: { mdts: 1 } });
    const namespace = bench.controller.openNamespace(1, { depth: 1 });
    expect(namespace.depthMax).toBe(1);
    const requests = new Requests(bench, namespace);
    const span = bench.platform.hostSpan(1 << 16);
    requests.begin((token) => namespace.read(0, span, 0, 1 << 16, token));
    const second = requests.begin((token) => namespace.read(0, span, 0, 4096, token));
    expect(requests.ends.get(second)).toEqual([STATUS.FULL]);
    expect(namespace.failure(second)?.status).toBe(STATUS.FULL);
    bench.idle();
    expect(requests.wrong).toEqual([]);
    const reads = bench.fake.commands.filter(
      ({ queueId, opcode }) => queueId === 1 && opcode === NVM_OPCODE.READ,
    );
    expect(reads).toHaveLength(8);
  });
});
