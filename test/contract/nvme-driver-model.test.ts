/**
 * Our NVMe driver on our NVMe controller model: two halves that share the tables of the specification and nothing else. What
 * one writes as a fact the other must read as the same.
 */
import { describe, expect, it } from 'vitest';
import { DONE, type Span, STATUS, type Status, type Task } from '../../src/access/index.ts';
import { NvmeError, SeededRandom } from '../../src/base/index.ts';
import {
  type MediaTimingOptions,
  NvmeController as Model,
  type NvmeOptions as ModelOptions,
} from '../../src/devices/nvme/index.ts';
import { NvmeController, type NvmeOptions } from '../../src/drivers/nvme/index.ts';
import { EventQueue, Memory, noTurn } from '../../src/fabric/index.ts';
import { FEATURE, LOG_PAGE, NVME_STATUS } from '../../src/spec/nvme/index.ts';
import { DirectPlatform, type TestSpan } from '../drivers/nvme/direct-platform.ts';
import { fillCounting, Requests, runOn } from '../drivers/nvme/harness.ts';

const EVENTS_MAX = 5_000_000;

/** No time at all, random times from a seed, or what media and controller cost. */
type Clock = number | 'timed' | null;

/** A quick drive with every kind of cost. */
const MEDIA: MediaTimingOptions = {
  readGBs: 3.4,
  writeGBs: 2.5,
  readIops: 800e3,
  writeIops: 400e3,
  readLatencyPs: 20e6,
  writeLatencyPs: 8e6,
  channels: 8,
  dies: 4,
  cacheBytes: 65_536,
  mixedPenalty: 0.2,
};

class Pair {
  readonly executor: EventQueue;
  readonly model: Model;
  readonly platform: DirectPlatform;
  readonly controller: NvmeController;

  constructor(model: ModelOptions, driver: NvmeOptions = {}, seed: Clock = null) {
    this.executor = new EventQueue({
      turn: noTurn,
      timed: seed === 'timed',
      ...(typeof seed === 'number' ? { jitter: { seed, jitterPs: 1_000_000 } } : {}),
    });
    this.model = new Model(seed === 'timed' ? { ...model, timing: MEDIA } : model);
    this.platform = new DirectPlatform({ executor: this.executor, model: this.model });
    this.controller = new NvmeController(this.platform, driver);
    this.run(this.controller.starting());
  }

  run<Result>(task: Task<Result>): Result {
    return runOn(this.executor, task);
  }

  idle(): void {
    this.executor.runUntilIdle(EVENTS_MAX);
  }
}

const BLOCKS = 1024;
const SEEDS: readonly Clock[] = [null, 1, 2, 3, 'timed'];

const MODEL: ModelOptions = {
  namespaces: [{ sizeBlocks: BLOCKS, blockBytes: 512 }],
  cmb: { sizeBytes: 1 << 20 },
  mdts: 3,
};

/** Random reads and writes, many at once on ranges of their own, against a byte array. */
function exercise(model: ModelOptions, driver: NvmeOptions, seed: Clock): void {
  const backing = Memory.flat(BLOCKS * (model.namespaces?.[0]?.blockBytes ?? 512));
  const pair = new Pair(
    { ...model, namespaces: [{ sizeBlocks: BLOCKS, ...model.namespaces?.[0], backing }] },
    driver,
    seed,
  );
  const namespace = pair.controller.openNamespace(1);
  expect(namespace.sizeBytes).toBe(BLOCKS * namespace.blockBytes);
  const requests = new Requests(pair, namespace);
  const random = new SeededRandom(typeof seed === 'number' ? seed : 99);
  const block = namespace.blockBytes;
  const span = pair.platform.hostSpan(namespace.sizeBytes);
  const memory = new Uint8Array(span.lengthBytes);
  const media = backing.flat!.slice();
  for (let i = 0; i < memory.length; i++) {
    memory[i] = random.next32();
  }
  span.bytes.set(memory);
  const backlog: ((token: number) => Status)[] = [];
  const beginMore = (): void => {
    while (backlog.length > 0 && namespace.inFlight < namespace.depthMax) {
      requests.begin(backlog.shift()!);
    }
  };
  requests.onEnd = beginMore;
  for (let round = 0; round < 8; round++) {
    let at = 0;
    while (at < BLOCKS) {
      const count = Math.min(1 + random.below(80), BLOCKS - at);
      const offset = at * block;
      const length = count * block;
      if (random.below(2) === 0) {
        backlog.push((token) => namespace.write(offset, span, offset, length, token));
        media.set(memory.subarray(offset, offset + length), offset);
      } else {
        backlog.push((token) => namespace.read(offset, span, offset, length, token));
        memory.set(media.subarray(offset, offset + length), offset);
      }
      at += count;
    }
    backlog.push((token) => namespace.flush(token));
    beginMore();
    pair.idle();
  }
  expect(requests.wrong).toEqual([]);
  expect(requests.done).toBe(requests.ends.size);
  expect(Buffer.compare(span.bytes, memory)).toBe(0);
  expect(Buffer.compare(backing.flat!, media)).toBe(0);
  expect(pair.controller.anomalies.told).toEqual([]);
  expect(pair.platform.strayRequests).toBe(0);
  pair.run(pair.controller.closing());
  span.close();
  expect(pair.platform.hostPlaces).toBe(0);
}

describe('our driver on our controller', () => {
  for (const seed of SEEDS) {
    const name = seed === null ? 'untimed' : seed === 'timed' ? 'timed' : `delayed by seed ${seed}`;

    it(`comes up and says what it is (${name})`, () => {
      const { controller } = new Pair({ ...MODEL, serial: 'SN42' }, { queueCount: 4 }, seed);
      expect(controller.state).toBe('live');
      expect(controller.identity.serialNumber).toBe('SN42');
      expect(controller.queues).toHaveLength(4);
      expect(controller.cmb).toMatchObject({ bar: 2, sizeBytes: 1 << 20, canPublish: true });
      expect(controller.anomalies.told).toEqual([]);
    });

    it(`moves the right bytes with any option (${name})`, () => {
      const drivers: NvmeOptions[] = [
        {},
        { queueCount: 8, queueDepth: 7 },
        { queueCount: 2, queueDepth: 1 },
        { completion: 'poll' },
        { dataPointer: 'sgl' },
        { dataPointer: 'prp' },
        { queuesInCmb: true, queueCount: 3, queueDepth: 100 },
        { shadowDoorbells: true, queueCount: 3 },
        { shadowDoorbells: true, queuesInCmb: true, queueDepth: 70 },
        { pageShift: 13 },
        { coalescing: { threshold: 4, time100us: 2 } },
        { arbitration: 'weighted', queueCount: 4, queuePriorities: [0, 1, 2, 3] },
        { volatileWriteCache: false, timestampMs: 1_700_000_000_000 },
      ];
      for (const driver of drivers) {
        exercise(MODEL, driver, seed);
      }
    });

    it(`drives any controller (${name})`, () => {
      const models: ModelOptions[] = [
        { version: '1.3' },
        { version: '1.4' },
        { version: '2.1' },
        { hasSgl: false },
        { mdts: 0 },
        { mdts: 1 },
        { doorbellStride: 3 },
        { vectorCount: 0 },
        { vectorCount: 1 },
        { vectorCount: 0, msiVectorCount: 4 },
        { queueCount: 2 },
        { queueEntriesMax: 2 },
        { volatileWriteCache: false },
        { cmb: { sizeBytes: 1 << 20, isLegacy: true } },
        { cmb: { sizeBytes: 1 << 18, offsetBytes: 1 << 18, bar: 4 } },
        { namespaces: [{ sizeBlocks: BLOCKS, blockBytes: 4096 }] },
      ];
      for (const model of models) {
        exercise({ ...MODEL, ...model }, { queueCount: 3, queuesInCmb: true, queueDepth: 64 }, seed);
      }
    });

    it(`lets the controller keep protection information (${name})`, () => {
      for (const piType of [1, 2, 3] as const) {
        for (const guardBits of [16, 32, 64] as const) {
          const pair = new Pair(
            {
              ...MODEL,
              namespaces: [
                {
                  sizeBlocks: BLOCKS,
                  blockBytes: 4096,
                  metadataBytes: guardBits === 16 ? 8 : 16,
                  piType,
                  guardBits,
                  storageTagBits: guardBits === 32 ? 16 : 0,
                },
              ],
            },
            {},
            seed,
          );
          const namespace = pair.controller.openNamespace(1);
          const requests = new Requests(pair, namespace);
          const span = pair.platform.hostSpan(64 * 4096);
          const into = pair.platform.hostSpan(64 * 4096);
          fillCounting(span.bytes, piType + guardBits);
          expect(requests.write(5 * 4096, span, 0, 64 * 4096)).toBe(DONE);
          expect(requests.read(5 * 4096, into, 0, 64 * 4096)).toBe(DONE);
          expect(Buffer.compare(span.bytes, into.bytes)).toBe(0);
        }
      }
    });

    it(`reads and writes through the controller's own memory (${name})`, () => {
      const pair = new Pair(
        { ...MODEL, cmb: { sizeBytes: 1 << 20, memory: Memory.flat(1 << 20) } },
        { mapPeer: (span: Span) => (span as TestSpan).map() },
        seed,
      );
      const namespace = pair.controller.openNamespace(1);
      const requests = new Requests(pair, namespace);
      const { cmb } = pair.controller;
      const own = pair.platform.barSpan(cmb!.bar, cmb!.offsetBytes, 65_536, Memory.flat(65_536));
      const host = pair.platform.hostSpan(65_536);
      const into = pair.platform.hostSpan(65_536);
      fillCounting(host.bytes, 7);
      expect(requests.write(0, host, 0, 65_536)).toBe(DONE);
      expect(requests.read(0, own, 0, 65_536)).toBe(DONE);
      expect(requests.write(131_072, own, 0, 65_536)).toBe(DONE);
      expect(requests.read(131_072, into, 0, 65_536)).toBe(DONE);
      expect(Buffer.compare(host.bytes, into.bytes)).toBe(0);
    });

    it(`does the commands without data (${name})`, () => {
      const pair = new Pair(
        { ...MODEL, namespaces: [{ sizeBlocks: BLOCKS }, { sizeBlocks: BLOCKS }] },
        {},
        seed,
      );
      const first = pair.controller.openNamespace(1);
      const second = pair.controller.openNamespace(2);
      const requests = new Requests(pair, first);
      const others = new Requests(pair, second);
      const span = pair.platform.hostSpan(BLOCKS * 512);
      const into = pair.platform.hostSpan(BLOCKS * 512);
      fillCounting(span.bytes, 1);
      expect(requests.write(0, span, 0, BLOCKS * 512)).toBe(DONE);
      const compare = (offset: number, at: number, length: number) =>
        requests.complete((token) => first.compare(offset, span, at, length, token)).status;
      expect(compare(0, 0, BLOCKS * 512)).toBe(DONE);

      pair.run(first.commands.writeZeroes(512, 200 * 512));
      expect(requests.read(0, into, 0, 202 * 512)).toBe(DONE);
      expect(into.bytes.subarray(512, 201 * 512).every((byte) => byte === 0)).toBe(true);
      expect(into.bytes[511]).toBe(span.bytes[511]);
      expect(into.bytes[201 * 512]).toBe(span.bytes[201 * 512]);

      pair.run(
        first.commands.deallocate([
          { offsetBytes: 300 * 512, lengthBytes: 512 },
          { offsetBytes: 302 * 512, lengthBytes: 1024 },
        ]),
      );
      expect(requests.read(300 * 512, into, 0, 4 * 512)).toBe(DONE);
      expect([0, 1, 2, 3].map((i) => into.bytes[i * 512 + 5] === 0)).toEqual([true, false, true, true]);

      pair.run(first.commands.verify(0, BLOCKS * 512));
      pair.run(first.commands.writeUncorrectable(400 * 512, 512));
      expect(requests.read(400 * 512, into, 0, 512)).toBe(STATUS.IO);
      expect(() => pair.run(first.commands.verify(0, BLOCKS * 512))).toThrow(NvmeError);
      expect(requests.write(400 * 512, span, 400 * 512, 512)).toBe(DONE);
      expect(requests.read(400 * 512, into, 0, 512)).toBe(DONE);

      // Within the namespace, gathered, longer than one Copy takes; then into the other one.
      expect(requests.write(0, span, 0, BLOCKS * 512)).toBe(DONE);
      pair.run(
        first.commands.copy(
          [
            { offsetBytes: 0, lengthBytes: 100 * 512 },
            { offsetBytes: 200 * 512, lengthBytes: 50 * 512 },
          ],
          600 * 512,
        ),
      );
      expect(compare(600 * 512, 0, 100 * 512)).toBe(DONE);
      expect(compare(700 * 512, 200 * 512, 50 * 512)).toBe(DONE);
      pair.run(second.commands.copy([{ nsid: 1, offsetBytes: 512, lengthBytes: 300 * 512 }], 1024));
      expect(others.read(1024, into, 0, 300 * 512)).toBe(DONE);
      expect(Buffer.compare(into.bytes.subarray(0, 300 * 512), span.bytes.subarray(512, 301 * 512))).toBe(0);
      expect(pair.controller.anomalies.told).toEqual([]);
    });

    it(`reads features and logs, and comes back from a reset (${name})`, () => {
      const pair = new Pair(MODEL, { queueCount: 2, volatileWriteCache: true, timestampMs: 123_456 }, seed);
      const { admin } = pair.controller;
      expect(pair.run(admin.getFeature(FEATURE.VOLATILE_WRITE_CACHE))).toBe(1);
      const log = pair.run(admin.getLogPage(LOG_PAGE.SMART_HEALTH, 512));
      expect(log.some((byte) => byte !== 0)).toBe(true);
      const effects = pair.run(admin.getLogPage(LOG_PAGE.COMMANDS_SUPPORTED_AND_EFFECTS, 4096));
      expect(effects[6 * 4]! & 1).toBe(1);

      const namespace = pair.controller.openNamespace(1);
      const requests = new Requests(pair, namespace);
      const span = pair.platform.hostSpan(BLOCKS * 512);
      fillCounting(span.bytes, 2);
      for (let i = 0; i < 32; i++) {
        requests.begin((token) => namespace.write(i * 16_384, span, i * 16_384, 16_384, token));
      }
      pair.run(pair.controller.resetting('a test'));
      pair.idle();
      expect(requests.wrong).toEqual([]);
      expect(requests.done).toBe(32);
      expect(pair.controller.resetCount).toBe(1);
      const into = pair.platform.hostSpan(BLOCKS * 512);
      expect(requests.read(0, into, 0, BLOCKS * 512)).toBe(DONE);
      expect(Buffer.compare(span.bytes, into.bytes)).toBe(0);
      expect(pair.controller.cmb?.canPublish).toBe(true);
    });

    it(`manages and formats namespaces (${name})`, () => {
      const pair = new Pair({ ...MODEL, capacityBytes: 4 << 20 }, {}, seed);
      const { controller } = pair;
      const { admin } = controller;
      const nsid = pair.run(admin.createNamespace({ sizeBlocks: 512, capacityBlocks: 512, formatIndex: 0 }));
      pair.run(admin.attachNamespace(nsid, [controller.identity.controllerId]));
      pair.run(controller.rescanning());
      expect(controller.namespaces.map((each) => each.nsid)).toContain(nsid);
      const before = controller.namespaces.find((each) => each.nsid === nsid)!;
      const format = before.formatCount > 1 ? 1 : 0;
      pair.run(admin.format(nsid, format));
      pair.run(controller.rescanning());
      expect(controller.namespaces.find((each) => each.nsid === nsid)?.formatIndex).toBe(format);
      pair.run(admin.detachNamespace(nsid, [controller.identity.controllerId]));
      pair.run(admin.deleteNamespace(nsid));
      pair.run(controller.rescanning());
      expect(controller.namespaces.map((each) => each.nsid)).toEqual([1]);
    });

    it(`ends the handle of a namespace that was formatted (${name})`, () => {
      const pair = new Pair(MODEL, {}, seed);
      const { controller } = pair;
      const namespace = controller.openNamespace(1);
      const requests = new Requests(pair, namespace);
      const span = pair.platform.hostSpan(4096);
      expect(requests.read(0, span, 0, 4096)).toBe(DONE);
      const other = controller.namespaces[0]!.formatCount - 1;
      pair.run(controller.admin.format(1, other));
      pair.run(controller.rescanning());
      expect(controller.namespaces[0]!.formatIndex).toBe(other);
      const { token, status } = requests.complete((id) => namespace.read(0, span, 0, 4096, id));
      expect(status).toBe(STATUS.GONE);
      expect(namespace.failure(token)?.code).toBe('NVME_NAMESPACE');
    });

    it(`switches a persistent memory region on (${name})`, () => {
      const { controller, platform } = new Pair(
        { ...MODEL, pmr: { sizeBytes: 1 << 20 } },
        { pmr: true },
        seed,
      );
      expect(controller.pmr).toMatchObject({ kind: 'pmr', bar: 4, sizeBytes: 1 << 20, canPublish: true });
      expect(platform.bar(4)).toBeDefined();
      expect(controller.anomalies.told).toEqual([]);
    });

    it(`is pulled out under load (${name})`, () => {
      const pair = new Pair(MODEL, { queueCount: 4, queueDepth: 7 }, seed);
      const namespace = pair.controller.openNamespace(1);
      const requests = new Requests(pair, namespace);
      const span = pair.platform.hostSpan(BLOCKS * 512);
      let ends = 0;
      requests.onEnd = (_token, status) => {
        if (++ends === 9) {
          pair.platform.remove();
        }
        if (status === DONE) {
          requests.begin((token) => namespace.read(0, span, 0, 65_536, token));
        }
      };
      for (let i = 0; i < 20; i++) {
        requests.begin((token) => namespace.write(i * 512, span, 0, 65_536, token));
      }
      pair.idle();
      expect(requests.wrong).toEqual([]);
      expect(pair.controller.state).toBe('gone');
    });

    it(`gets a status for any 64 bytes as a command (${name})`, () => {
      const pair = new Pair({ ...MODEL, namespaces: [{ sizeBlocks: BLOCKS }] }, { eventRequests: 0 }, seed);
      const namespace = pair.controller.openNamespace(1);
      const random = new SeededRandom(17);
      for (let i = 0; i < 150; i++) {
        const sqe = new Uint8Array(64).map(() => random.next32());
        // Fused halves wait for each other.
        sqe[1]! &= 0xfc;
        sqe[0] = i % 3 === 0 ? random.below(0x20) : sqe[0]!;
        if (i % 2 === 0) {
          sqe.set([1, 0, 0, 0], 4);
        }
        const result = pair.run(namespace.commands.submit(sqe));
        expect(result.loss).toBeNull();
        expect(result.status).toBeLessThan(0x800);
      }
      expect(pair.controller.resetCount).toBe(0);
      const beyond = new Uint8Array(64);
      beyond[0] = 2;
      beyond[4] = 1;
      beyond.fill(0xff, 40, 48);
      expect(pair.run(namespace.commands.submit(beyond, new Uint8Array(512))).status).toBe(
        NVME_STATUS.LBA_OUT_OF_RANGE,
      );
    });
  }
});
