import { afterEach, describe, expect, it } from 'vitest';
import { MemoryWindow, SharedMemory } from '../../../src/host/index.ts';
import { ServeError, type SharedBar } from '../../../src/serve/index.ts';
import { checkDevice } from '../../../src/serve/vfio-user/served-device.ts';
import { hasFfi } from '../../support/ffi.ts';
import { ServeBench } from '../support/bench.ts';

const MIB = 1 << 20;

describe.skipIf(!hasFfi())('what of a BAR can be mapped', () => {
  let bench: ServeBench;
  const file = hasFfi() ? new SharedMemory('bar', MIB) : undefined;
  afterEach(() => bench.close());

  function serve(...bars: SharedBar[]): ServeBench {
    return new ServeBench({ shared: (index) => (index === 0 ? bars : []) });
  }

  it('is nothing unless it is said', () => {
    bench = serve();
    const client = bench.connect();
    client.version();
    const info = client.regionInfo(0, 4096);
    expect(info.view.getUint32(4, true)).toBe(3);
    expect(info.fds).toEqual([]);
  });

  it('is the whole, with a descriptor that shows it', () => {
    bench = serve({
      bar: 0,
      fd: file!.fd,
      fileOffsetBytes: 0,
      areas: [{ offsetBytes: 0, lengthBytes: MIB }],
    });
    const client = bench.connect();
    client.version();
    const info = client.regionInfo(0);
    expect(info.payload.length).toBe(32);
    expect(info.view.getUint32(0, true)).toBe(32);
    expect(info.view.getUint32(4, true)).toBe(7);
    expect(info.fds.length).toBe(1);
    const window = MemoryWindow.take()!;
    expect(window.show(info.fds[0]!, 0, MIB)).toBe(0);
    file!.bytes[777] = 55;
    expect(window.bytes[777]).toBe(55);
    window.release();
  });

  it('is listed where it is a part: asked for once without room, then again', () => {
    const areas = [
      { offsetBytes: 0x1000, lengthBytes: 0x2000 },
      { offsetBytes: 0x8000, lengthBytes: 0x1000 },
    ];
    bench = serve({ bar: 0, fd: file!.fd, fileOffsetBytes: 0x3000, areas });
    const client = bench.connect();
    client.version();
    const first = client.regionInfo(0);
    expect(first.payload.length).toBe(32);
    // argsz, flags with capabilities, index, where they will be: QEMU takes 0 there for an error.
    expect([0, 4, 8, 12].map((at) => first.view.getUint32(at, true))).toEqual([80, 15, 0, 32]);
    expect(first.fds).toEqual([]);
    const second = client.regionInfo(0, 80);
    expect(second.fds.length).toBe(1);
    expect(second.payload.length).toBe(80);
    expect(second.view.getBigUint64(24, true)).toBe(0x3000n);
    expect(second.view.getUint32(32, true)).toBe(0x1_0001);
    expect(second.view.getUint32(40, true)).toBe(2);
    expect([48, 56, 64, 72].map((at) => second.view.getBigUint64(at, true))).toEqual([
      0x1000n,
      0x2000n,
      0x8000n,
      0x1000n,
    ]);
  });

  it('may begin with a later part of the BAR', () => {
    const areas = [{ offsetBytes: 0x8_0000, lengthBytes: 0x8_0000 }];
    bench = serve({ bar: 0, fd: file!.fd, fileOffsetBytes: -0x8_0000, areas });
    const client = bench.connect();
    client.version();
    const info = client.regionInfo(0, 64);
    const place = info.view.getBigUint64(24, true) + info.view.getBigUint64(48, true);
    expect(BigInt.asUintN(64, place)).toBe(0n);
  });

  it('is whole pages within the BAR', () => {
    bench = serve();
    const device = bench.devices[0]!;
    const areaAt = (offsetBytes: number, lengthBytes: number, fileOffsetBytes = 0): (() => void) => {
      const bars = [{ bar: 0, fd: file!.fd, fileOffsetBytes, areas: [{ offsetBytes, lengthBytes }] }];
      return () => checkDevice({ ...device, bars });
    };
    expect(areaAt(0, MIB)).not.toThrow();
    expect(areaAt(0x800, 0x1000)).toThrow(/whole pages/);
    expect(areaAt(0, 0x1000, -0x1000)).toThrow(/whole pages/);
    expect(areaAt(0x1000, MIB)).toThrow(/outside/);
  });

  it('of a port is a typed error: only endpoints are served', () => {
    bench = serve();
    const device = bench.devices[0]!;
    const root = bench.fabric.functions()[0]!;
    expect(() => checkDevice({ ...device, fn: root })).toThrow(ServeError);
    expect(() => checkDevice({ ...device, fn: root })).toThrow(
      expect.objectContaining({ code: 'SERVE_NOT_SERVABLE', hint: expect.stringContaining('below') }),
    );
  });
});
