// Clients that send whatever they like. The server stays, keeps nothing of them, and serves others as if they had not been there.
import { ftruncateSync, openSync, readdirSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EventFd, libc, SharedMemory } from '../../../src/host/index.ts';
import { SET_IRQS, VFIO_REGION, VFIO_USER_COMMAND } from '../../../src/spec/vfio-user/index.ts';
import { hasFfi } from '../../support/ffi.ts';
import { ServeBench } from '../support/bench.ts';
import {
  accessPayload,
  mapPayload,
  message,
  TestClient,
  versionPayload,
  writePayload,
} from '../support/client.ts';

const CONNECTIONS = 3000;
const FILE_BYTES = 16_384;

/** Numbers at which checks go wrong. */
const awkward = fc.oneof(
  fc.constantFrom(
    0n,
    1n,
    4n,
    4095n,
    4096n,
    8192n,
    16_384n,
    65_536n,
    0x7fff_ffffn,
    0x8000_0000n,
    0xffff_ffffn,
  ),
  fc.constantFrom(
    2n ** 32n,
    2n ** 53n - 1n,
    2n ** 53n,
    2n ** 63n - 1n,
    2n ** 63n,
    2n ** 64n - 4096n,
    2n ** 64n - 1n,
  ),
  fc.bigInt({ min: 0n, max: 70_000n }),
);
const awkward32 = awkward.map((value) => Number(value & 0xffff_ffffn));

type FdKind = 'memory' | 'unsealed' | 'event' | 'null' | 'directory' | 'itself';
const fdKinds = fc.array(
  fc.constantFrom<FdKind>('memory', 'unsealed', 'event', 'null', 'directory', 'itself'),
  {
    maxLength: 16,
  },
);

type Action =
  | { readonly kind: 'send'; readonly bytes: Uint8Array; readonly fds: readonly FdKind[] }
  | { readonly kind: 'device'; readonly isRead: boolean; readonly addr: number; readonly length: number }
  | { readonly kind: 'interrupt'; readonly vector: number }
  | { readonly kind: 'turn' }
  | { readonly kind: 'cut' };

const flags = fc.oneof({ weight: 6, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(0xff) });
const send = (bytes: fc.Arbitrary<Uint8Array>, fds: fc.Arbitrary<readonly FdKind[]>): fc.Arbitrary<Action> =>
  fc.record({ kind: fc.constant('send' as const), bytes, fds });
const noFds = fc.constant<readonly FdKind[]>([]);
const someFds = fc.oneof({ weight: 3, arbitrary: noFds }, { weight: 1, arbitrary: fdKinds });

function request(command: number, payload: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  return fc
    .tuple(fc.nat(0xffff), payload, flags)
    .map(([id, bytes, flag]) => message(id, command, bytes, flag));
}

const { VERSION, DMA_MAP, DMA_UNMAP, DEVICE_SET_IRQS, REGION_READ, REGION_WRITE, REGION_WRITE_MULTI } =
  VFIO_USER_COMMAND;

const region = fc.oneof(fc.nat(9), awkward32);
const mapRequest = request(
  DMA_MAP,
  fc
    .tuple(awkward, awkward, awkward, fc.nat(7))
    .map(([addr, size, offset, flag]) => mapPayload(addr, size, offset, flag)),
);
const unmapRequest = request(
  DMA_UNMAP,
  fc.tuple(awkward, awkward).map(([addr, size]) => mapPayload(size, 0n, addr, 0).slice(0, 24)),
);
const irqRequest = request(
  DEVICE_SET_IRQS,
  fc
    .tuple(
      fc.oneof(fc.constantFrom(0x24, 0x21, 0x22, 0x11, 0x14), fc.nat(63)),
      fc.oneof(fc.constant(0), fc.nat(6)),
      fc.oneof(fc.constant(0), fc.nat(6), awkward32),
      fc.oneof(fc.constant(1), fc.nat(6), awkward32),
      fc.uint8Array({ maxLength: 8 }),
    )
    .map(([flag, index, start, count, extra]) => {
      const bytes = new Uint8Array(SET_IRQS.sizeBytes + extra.length);
      const view = new DataView(bytes.buffer);
      [bytes.length, flag, index, start, count].forEach((value, i) => {
        view.setUint32(4 * i, value, true);
      });
      bytes.set(extra, SET_IRQS.sizeBytes);
      return bytes;
    }),
);
/** A vector of the pin or of MSI-X as it should be asked for. */
const saneIrqRequest = fc.constantFrom(0, 2).map((index) => {
  const bytes = new Uint8Array(SET_IRQS.sizeBytes);
  const view = new DataView(bytes.buffer);
  [bytes.length, 0x24, index, 0, 1].forEach((value, i) => {
    view.setUint32(4 * i, value, true);
  });
  return message(5, DEVICE_SET_IRQS, bytes);
});
const readRequest = request(
  REGION_READ,
  fc.tuple(region, awkward, awkward32).map(([index, offset, count]) => accessPayload(index, offset, count)),
);
const writeRequest = request(
  REGION_WRITE,
  fc
    .tuple(region, fc.nat(70_000), fc.uint8Array({ maxLength: 40 }), fc.integer({ min: -3, max: 3 }))
    .map(([index, offset, bytes, lie]) => {
      const payload = writePayload(index, offset, bytes);
      new DataView(payload.buffer).setUint32(12, bytes.length + (lie === 1 ? 1 : 0), true);
      return payload;
    }),
);
const writesRequest = request(
  REGION_WRITE_MULTI,
  fc.tuple(awkward, fc.uint8Array({ maxLength: 100 })).map(([count, bytes]) => {
    const payload = new Uint8Array(8 + bytes.length);
    new DataView(payload.buffer).setBigUint64(0, count, true);
    payload.set(bytes, 8);
    return payload;
  }),
);
const anyRequest = fc
  .tuple(fc.nat(20), fc.uint8Array({ maxLength: 80 }), fc.nat(0xffff), flags)
  .map(([command, payload, id, flag]) => message(id, command, payload, flag));
/** A message whose size is another than it says. */
const liar = fc.tuple(anyRequest, awkward32).map(([bytes, size]) => {
  const lie = bytes.slice();
  new DataView(lie.buffer).setUint32(4, size, true);
  return lie;
});
const answer = fc
  .tuple(
    fc.nat(40),
    fc.constantFrom(11, 12, 9, 3),
    fc.uint8Array({ maxLength: 100 }),
    fc.constantFrom(1, 0x21),
  )
  .map(([id, command, payload, flag]) => message(id, command, payload, flag));

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 4,
    arbitrary: send(mapRequest, fc.oneof(fc.constantFrom<FdKind[]>(['memory'], ['unsealed'], []), someFds)),
  },
  { weight: 2, arbitrary: send(unmapRequest, someFds) },
  { weight: 3, arbitrary: send(irqRequest, fc.oneof(fc.constant<FdKind[]>(['event']), fdKinds)) },
  { weight: 2, arbitrary: send(saneIrqRequest, fc.constant<FdKind[]>(['event'])) },
  { weight: 2, arbitrary: send(readRequest, someFds) },
  { weight: 2, arbitrary: send(writeRequest, noFds) },
  { weight: 1, arbitrary: send(writesRequest, noFds) },
  { weight: 2, arbitrary: send(anyRequest, someFds) },
  { weight: 1, arbitrary: send(liar, someFds) },
  { weight: 1, arbitrary: send(answer, someFds) },
  { weight: 1, arbitrary: send(fc.uint8Array({ minLength: 1, maxLength: 60 }), someFds) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('device' as const),
      isRead: fc.boolean(),
      addr: awkward.map(Number),
      length: fc.integer({ min: 1, max: 9000 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('interrupt' as const), vector: fc.nat(5) }) },
  { weight: 3, arbitrary: fc.constant<Action>({ kind: 'turn' }) },
  { weight: 1, arbitrary: fc.constant<Action>({ kind: 'cut' }) },
);

/** Most begin as the protocol wants it: otherwise nobody gets further than the first message. */
const script = fc.record({
  begins: fc.oneof({ weight: 5, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
  answers: fc.constantFrom('nothing', 'errors', 'well', 'badly'),
  actions: fc.array(action, { maxLength: 14 }),
});

describe.skipIf(!hasFfi())('a hostile client', () => {
  let bench: ServeBench;
  let good: TestClient;
  let memory: SharedMemory;
  const fds = new Map<FdKind, number>();

  beforeAll(() => {
    bench = new ServeBench();
    bench.guest.bytes.fill(0x5a);
    good = bench.guestClient(1);
    memory = new SharedMemory('hostile', FILE_BYTES);
    const unsealed = libc().memfdCreate('unsealed', 0);
    ftruncateSync(unsealed, FILE_BYTES);
    fds.set('memory', memory.fd);
    fds.set('unsealed', unsealed);
    fds.set('event', new EventFd().fd);
    fds.set('null', openSync('/dev/null', 'r+'));
    fds.set('directory', openSync('/', 'r'));
  });
  afterAll(() => {
    memory.close();
    bench.close();
  });

  function play(client: TestClient, actions: readonly Action[]): void {
    const { model } = bench.devices[0]!;
    for (const one of actions) {
      switch (one.kind) {
        case 'send':
          client.sendRaw(
            one.bytes,
            one.fds.map((kind) => fds.get(kind) ?? client.fd),
          );
          break;
        case 'device':
          if (one.isRead) {
            bench.dmaRead(0, one.addr, new Uint8Array(one.length));
          } else {
            bench.dmaWrite(0, one.addr, new Uint8Array(one.length));
          }
          break;
        case 'interrupt':
          model.port.interrupt(one.vector);
          model.port.setIntx(one.vector % 2 === 0);
          break;
        case 'turn':
          bench.turn();
          if (!client.isEnded) {
            client.pump();
          }
          break;
        case 'cut':
          // A message that never ends.
          client.sendRaw(message(1, REGION_WRITE, new Uint8Array(100)).slice(0, 60));
          break;
      }
    }
  }

  it('does no harm, thousands of times', () => {
    let openAtFirst = -1;
    fc.assert(
      fc.property(script, ({ begins, answers, actions }) => {
        const client = new TestClient(bench.devices[0]!.socketPath, bench.turn);
        client.onDma =
          answers === 'nothing'
            ? null
            : (isRead, _addr, _bytes, length) =>
                answers === 'errors' ? 19 : new Uint8Array(isRead === (answers === 'well') ? length : 0);
        if (begins) {
          client.sendRaw(message(0, VERSION, versionPayload('{"capabilities":{"max_data_xfer_size":4096}}')));
          bench.turn();
          bench.turn();
        }
        play(client, actions);
        bench.turn();
        bench.turn();
        client.close();
        // One turn takes no more than one message with descriptors.
        for (let turns = 0; bench.server.isConnected('dev0') && turns < 40; turns++) {
          bench.turn();
        }
        expect(bench.server.isConnected('dev0')).toBe(false);
        expect(bench.fabric.remoteRequests.count).toBe(0);
        expect(bench.devices[0]!.model.port.isBusMaster).toBe(true);
        const open = readdirSync('/proc/self/fd').length;
        openAtFirst = openAtFirst < 0 ? open : openAtFirst;
        expect(open).toBe(openAtFirst);
      }),
      { numRuns: CONNECTIONS },
    );
    const { connections, violations, maps, interrupts, refusals, dmaReadMessages } = bench.server
      .counters()
      .get('dev0')!;
    // It has been somewhere: all of these did happen.
    expect(connections).toBeGreaterThanOrEqual(CONNECTIONS);
    for (const [name, count] of Object.entries({ violations, maps, interrupts, refusals, dmaReadMessages })) {
      expect(count, name).toBeGreaterThan(0);
    }
    expect(good.read32(VFIO_REGION.CONFIG, 0)).toBe(0x1000_1de5);
    expect(bench.guest.bytes.every((byte) => byte === 0x5a)).toBe(true);
    const next = bench.guestClient(0);
    bench.dmaWrite(0, 0x1000, Uint8Array.of(1, 2, 3));
    expect([...bench.guest.bytes.subarray(0xfff, 0x1004)]).toEqual([0x5a, 1, 2, 3, 0x5a]);
    expect(next.dmaCommands).toEqual([]);
  }, 600_000);
});
