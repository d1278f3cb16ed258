import { openSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PENDING } from '../../../src/fabric/index.ts';
import { drainEventFd, EventFd } from '../../../src/host/index.ts';
import { IRQ_ACTION, IRQ_DATA, VFIO_IRQ, VFIO_REGION } from '../../../src/spec/vfio-user/index.ts';
import { hasFfi } from '../../support/ffi.ts';
import { ServeBench } from '../support/bench.ts';
import type { TestClient } from '../support/client.ts';

const { INTX, MSI, MSIX } = VFIO_IRQ;
const { CONFIG } = VFIO_REGION;
const { MASK, UNMASK, TRIGGER } = IRQ_ACTION;
const EINVAL = 22;

describe.skipIf(!hasFfi())('interrupts of a served device', () => {
  let bench: ServeBench;
  let client: TestClient;
  let events: EventFd[];
  beforeEach(() => {
    bench = new ServeBench();
    client = bench.guestClient();
    events = Array.from({ length: 4 }, () => new EventFd());
  });
  afterEach(() => {
    bench.close();
    for (const event of events) {
      event.close();
    }
  });

  /** Which of the counters were added to since. */
  function signalled(): number[] {
    return events.flatMap((event, index) => (event.drain() ? [index] : []));
  }

  function fds(...indexes: number[]): number[] {
    return indexes.map((index) => events[index]!.fd);
  }

  function enable(kind: 'msix' | 'msi', isOn = true): void {
    const at = bench.devices[0]!.fn.config.offsets[kind] + 2;
    // MSI with all four vectors.
    client.write(
      CONFIG,
      at,
      kind === 'msix' ? Uint8Array.of(0, isOn ? 0x80 : 0) : Uint8Array.of(isOn ? 0x21 : 0, 0),
    );
  }

  const port = () => bench.devices[0]!.model.port;

  it('by MSI-X go to the counter of their vector', () => {
    enable('msix');
    expect(client.setVectors(MSIX, 0, 4, fds(0, 1, 2, 3)).errno).toBe(0);
    port().interrupt(2);
    port().interrupt(0);
    port().interrupt(9);
    expect(signalled()).toEqual([0, 2]);
    expect(bench.server.counters().get('dev0')!.interrupts).toBe(2);
  });

  it('are nothing before they are enabled in config space', () => {
    client.setVectors(MSIX, 0, 4, fds(0, 1, 2, 3));
    port().interrupt(0);
    expect(signalled()).toEqual([]);
  });

  it('by MSI-X come later to a vector that is masked in the guest, and so has no counter yet', () => {
    enable('msix');
    expect(client.setVectors(MSIX, 0, 1, []).errno).toBe(0);
    port().interrupt(1);
    expect(client.setVectors(MSIX, 1, 1, fds(1)).errno).toBe(0);
    expect(signalled()).toEqual([1]);
  });

  it('by MSI share the vectors that were granted', () => {
    enable('msi');
    client.setVectors(MSI, 0, 4, fds(0, 1, 2, 3));
    port().interrupt(1);
    port().interrupt(7);
    expect(signalled()).toEqual([1, 3]);
  });

  it('stop when the index is switched off, and the counters are closed', () => {
    enable('msix');
    client.setVectors(MSIX, 0, 2, fds(0, 1));
    expect(client.setIrqs(MSIX, IRQ_DATA.NONE, TRIGGER, 0, 0).errno).toBe(0);
    port().interrupt(0);
    expect(signalled()).toEqual([]);
    // What was raised in between comes, once there is somewhere to go.
    client.setVectors(MSIX, 0, 1, fds(2));
    expect(signalled()).toEqual([2]);
  });

  it('replace the counter of a vector', () => {
    enable('msix');
    client.setVectors(MSIX, 0, 1, fds(0));
    client.setVectors(MSIX, 0, 1, fds(3));
    port().interrupt(0);
    expect(signalled()).toEqual([3]);
  });

  it('by the pin are a level: once, then again when it is unmasked and still stands', () => {
    expect(client.setVectors(INTX, 0, 1, fds(0)).errno).toBe(0);
    port().setIntx(true);
    expect(signalled()).toEqual([0]);
    port().setIntx(false);
    port().setIntx(true);
    // It is masked until the guest has looked.
    expect(signalled()).toEqual([]);
    client.setIrqs(INTX, IRQ_DATA.NONE, UNMASK, 0, 1);
    expect(signalled()).toEqual([0]);
    port().setIntx(false);
    client.setIrqs(INTX, IRQ_DATA.NONE, UNMASK, 0, 1);
    expect(signalled()).toEqual([]);
    client.setIrqs(INTX, IRQ_DATA.BOOL, MASK, 0, 1, [], Uint8Array.of(1));
    port().setIntx(true);
    expect(signalled()).toEqual([]);
    client.setIrqs(INTX, IRQ_DATA.BOOL, UNMASK, 0, 1, [], Uint8Array.of(0));
    expect(signalled()).toEqual([]);
    client.setIrqs(INTX, IRQ_DATA.BOOL, UNMASK, 0, 1, [], Uint8Array.of(1));
    expect(signalled()).toEqual([0]);
  });

  it('by the pin are unmasked by a counter too, as KVM does it', () => {
    client.setVectors(INTX, 0, 1, fds(0));
    expect(client.setVectors(INTX, 0, 1, fds(1), UNMASK).errno).toBe(0);
    port().setIntx(true);
    expect(signalled()).toEqual([0]);
    events[1]!.signal();
    bench.turn();
    expect(signalled()).toEqual([0]);
  });

  it('by the pin that stands already come when somebody asks for them', () => {
    port().setIntx(true);
    client.setVectors(INTX, 0, 1, fds(0));
    expect(signalled()).toEqual([0]);
  });

  it('are made by the client itself, to try them', () => {
    client.setVectors(MSIX, 0, 3, fds(0, 1, 2));
    expect(client.setIrqs(MSIX, IRQ_DATA.BOOL, TRIGGER, 0, 3, [], Uint8Array.of(1, 0, 1)).errno).toBe(0);
    expect(signalled()).toEqual([0, 2]);
  });

  it('do not overtake bytes that are on their way to the client by messages', () => {
    enable('msix');
    client.setVectors(MSIX, 0, 1, fds(0));
    client.onDma = null;
    expect(bench.dmaWrite(0, 0x77_0000_0000, new Uint8Array(64))).toBe(PENDING);
    port().interrupt(0);
    bench.settle();
    expect(signalled()).toEqual([]);
    client.sendRaw(answerToFirstWrite());
    bench.settle();
    expect(signalled()).toEqual([0]);
  });

  it('that were raised before a reset are not sent after it', () => {
    enable('msix');
    client.setVectors(MSIX, 0, 1, []);
    port().interrupt(0);
    client.onDma = null;
    client.setVectors(MSIX, 1, 1, fds(1));
    bench.dmaWrite(0, 0x77_0000_0000, new Uint8Array(64));
    port().interrupt(1);
    client.reset();
    client.sendRaw(answerToFirstWrite());
    client.setVectors(MSIX, 0, 1, fds(0));
    bench.settle();
    expect(signalled()).toEqual([]);
  });

  it('end with their client, and the next one starts without', () => {
    enable('msix');
    client.setVectors(MSIX, 0, 4, fds(0, 1, 2, 3));
    client.close();
    client.isEnded = true;
    bench.settle();
    client = bench.guestClient();
    enable('msix');
    port().interrupt(0);
    expect(signalled()).toEqual([]);
  });

  it('are refused where the request makes no sense, and descriptors are never kept', () => {
    const refused = (...args: Parameters<TestClient['setIrqs']>): void =>
      expect(client.setIrqs(...args).errno).toBe(EINVAL);
    refused(MSIX, IRQ_DATA.EVENTFD, TRIGGER, 0, 5, fds(0, 1, 2, 3, 0));
    refused(MSIX, IRQ_DATA.EVENTFD, TRIGGER, 0xffff_ffff, 2, fds(0, 1));
    refused(MSIX, IRQ_DATA.EVENTFD, TRIGGER, 0, 2, fds(0));
    refused(MSIX, IRQ_DATA.EVENTFD, TRIGGER, 0, 0, fds(0));
    refused(MSIX, IRQ_DATA.EVENTFD, MASK, 0, 1, fds(0));
    refused(MSIX, IRQ_DATA.NONE, TRIGGER, 0, 1, fds(0));
    refused(MSIX, IRQ_DATA.NONE, MASK, 0, 5);
    refused(MSIX, IRQ_DATA.NONE, UNMASK, 0, 0);
    refused(MSIX, IRQ_DATA.BOOL, TRIGGER, 0, 2, [], Uint8Array.of(1));
    refused(5, IRQ_DATA.EVENTFD, TRIGGER, 0, 1, fds(0));
    refused(3, IRQ_DATA.EVENTFD, TRIGGER, 0, 1, fds(0));
    refused(MSIX, 7, 7, 0, 1);
    refused(MSIX, IRQ_DATA.EVENTFD, TRIGGER, 0, 1, [openSync('/dev/null', 'r+')]);
    enable('msix');
    port().interrupt(0);
    expect(signalled()).toEqual([]);
    expect(drainEventFd(events[0]!.fd)).toBe(false);
  });

  /** The server's first message has id 1. */
  function answerToFirstWrite(): Uint8Array {
    const reply = new Uint8Array(32);
    const view = new DataView(reply.buffer);
    view.setUint16(0, 1, true);
    view.setUint16(2, 12, true);
    view.setUint32(4, 32, true);
    view.setUint32(8, 1, true);
    view.setBigUint64(16, 0x77_0000_0000n, true);
    view.setBigUint64(24, 64n, true);
    return reply;
  }
});
