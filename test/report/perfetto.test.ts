import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { PerfettoTrace } from '../../src/report/index.ts';
import { decodeProto, first, many, number, type ProtoField, text } from './proto-decoder.ts';

function traced(write: (trace: PerfettoTrace) => void): Uint8Array {
  const chunks: Uint8Array[] = [];
  const trace = new PerfettoTrace((bytes) => chunks.push(bytes));
  write(trace);
  trace.close();
  return Buffer.concat(chunks);
}

interface Slice {
  readonly track: string;
  readonly name: string;
  readonly startNs: number;
  readonly endNs: number;
  readonly flows: readonly number[];
  readonly args: Readonly<Record<string, unknown>>;
}

/** What a reader makes of the bytes, by the rules of Perfetto: tracks by uuid, names by number, slices as a stack on each track. */
function understood(bytes: Uint8Array) {
  const tracks = new Map<number, { name: string; parent: number; isCounter: boolean }>();
  const names = new Map<number, string>();
  const keys = new Map<number, string>();
  const open = new Map<number, Slice[]>();
  const slices: Slice[] = [];
  const counters: { track: string; atNs: number; value: number }[] = [];
  const flags: number[] = [];
  const pathOf = (uuid: number): string => {
    const { name, parent } = tracks.get(uuid)!;
    return parent === 0 ? name : `${pathOf(parent)}/${name}`;
  };
  for (const packet of many(decodeProto(bytes), 1)) {
    const fields = decodeProto(packet.bytes!);
    expect(number(fields, 10)).toBe(1);
    flags.push(number(fields, 13)!);
    for (const interned of many(fields, 12)) {
      for (const [field, table] of [
        [2, names],
        [3, keys],
      ] as const) {
        for (const entry of many(decodeProto(interned.bytes!), field)) {
          const inner = decodeProto(entry.bytes!);
          table.set(number(inner, 1)!, text(inner, 2)!);
        }
      }
    }
    const descriptor = first(fields, 60);
    if (descriptor !== undefined) {
      const inner = decodeProto(descriptor.bytes!);
      tracks.set(number(inner, 1)!, {
        name: text(inner, 2)!,
        parent: number(inner, 5) ?? 0,
        isCounter: first(inner, 8) !== undefined,
      });
      continue;
    }
    const event = decodeProto(first(fields, 11)!.bytes!);
    const uuid = number(event, 11)!;
    const atNs = number(fields, 8)!;
    const stack = open.get(uuid) ?? [];
    open.set(uuid, stack);
    switch (number(event, 9)) {
      case 1:
        expect(tracks.get(uuid)!.isCounter).toBe(false);
        stack.push({
          track: pathOf(uuid),
          name: names.get(number(event, 10)!)!,
          startNs: atNs,
          endNs: Number.NaN,
          flows: many(event, 47).map((flow) => flow.value!),
          args: Object.fromEntries(
            many(event, 4).map((annotation) => annotationOf(decodeProto(annotation.bytes!), keys)),
          ),
        });
        break;
      case 2:
        slices.push({ ...stack.pop()!, endNs: atNs });
        break;
      case 4:
        counters.push({
          track: pathOf(uuid),
          atNs,
          value: number(event, 30) ?? first(event, 44)!.double!,
        });
        break;
    }
  }
  expect([...open.values()].flat()).toEqual([]);
  return { tracks, slices, counters, flags };
}

function annotationOf(fields: readonly ProtoField[], keys: ReadonlyMap<number, string>): [string, unknown] {
  const value =
    text(fields, 6) ??
    number(fields, 3) ??
    first(fields, 5)?.double ??
    (number(fields, 2) === undefined ? undefined : number(fields, 2) === 1);
  return [keys.get(number(fields, 1)!)!, value];
}

describe('a trace for Perfetto', () => {
  it('has tracks below tracks, slices with arguments, flows and counters', () => {
    const { slices, counters } = understood(
      traced((trace) => {
        const links = trace.track(null, 'links');
        const up = trace.track(links, '0000:03:00.0 up');
        const dram = trace.counterTrack(null, 'DRAM', 'GB/s');
        trace.slice(up, 'MWr', 1_500, 37_046, {
          flows: [7],
          args: { bytes: 280, to: 'gpu0', replay: false },
        });
        trace.counter(dram, 40_000, 12.5);
        trace.counter(dram, 50_999, 3);
        trace.slice(up, 'MWr', 37_046, 2 ** 52 + 1, { args: { share: 0.5, credit: -1 } });
      }),
    );
    expect(slices).toEqual([
      {
        track: 'links/0000:03:00.0 up',
        name: 'MWr',
        startNs: 1,
        endNs: 37,
        flows: [7],
        args: { start_ps: 1500, duration_ps: 35_546, bytes: 280, to: 'gpu0', replay: false },
      },
      {
        track: 'links/0000:03:00.0 up',
        name: 'MWr',
        startNs: 37,
        endNs: Math.floor((2 ** 52 + 1) / 1000),
        flows: [],
        args: { start_ps: 37_046, duration_ps: 2 ** 52 + 1 - 37_046, share: 0.5, credit: -1 },
      },
    ]);
    expect(counters).toEqual([
      { track: 'DRAM', atNs: 40, value: 12.5 },
      { track: 'DRAM', atNs: 50, value: 3 },
    ]);
  });

  it('puts slices that overlap beside each other on tracks of the same name, and those that touch on one', () => {
    const { slices, tracks } = understood(
      traced((trace) => {
        const queue = trace.track(null, 'nvme0 queue 1');
        trace.slice(queue, 'a', 0, 10_000);
        trace.slice(queue, 'b', 10_000, 20_000);
        // Under way together, and told in the order of their ends.
        trace.slice(queue, 'd', 21_000, 30_000);
        trace.slice(queue, 'c', 15_000, 31_000);
        trace.slice(queue, 'e', 31_400, 31_900);
      }),
    );
    expect(tracks.size).toBe(2);
    expect([...tracks.values()].map(({ name }) => name)).toEqual(['nvme0 queue 1', 'nvme0 queue 1']);
    expect(slices.map(({ name, startNs, endNs }) => [name, startNs, endNs])).toEqual([
      ['a', 0, 10],
      ['b', 10, 20],
      ['d', 21, 30],
      ['c', 15, 31],
      ['e', 31, 31],
    ]);
  });

  it('writes a name once and starts with no state of before', () => {
    const bytes = traced((trace) => {
      const track = trace.track(null, 'link');
      for (let index = 0; index < 100; index++) {
        trace.slice(track, 'a rather long name of a slice', index * 1000, index * 1000 + 500);
      }
    });
    expect(Buffer.from(bytes).toString('latin1').split('a rather long name of a slice').length).toBe(2);
    const { flags, slices } = understood(bytes);
    expect(slices.length).toBe(100);
    expect(flags[0]).toBe(1);
    expect(new Set(flags.slice(1))).toEqual(new Set([2]));
  });

  it('hands over pieces while it is written, and the same calls are the same bytes', () => {
    const write = (trace: PerfettoTrace): void => {
      const track = trace.track(null, 'link');
      for (let index = 0; index < 20_000; index++) {
        trace.slice(track, `packet ${index % 10}`, index * 1000, index * 1000 + 999);
      }
    };
    const pieces: number[] = [];
    const trace = new PerfettoTrace((bytes) => pieces.push(bytes.length));
    write(trace);
    expect(pieces.length).toBeGreaterThan(10);
    expect(Math.max(...pieces)).toBeLessThan(80_000);
    expect(Buffer.compare(traced(write), traced(write))).toBe(0);
  });
});

function protocVersion(): string | null {
  try {
    return execFileSync('protoc', ['--version'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    console.log('skipped: no protoc here (apt-get install protobuf-compiler)');
    return null;
  }
}

const version = protocVersion();

describe.skipIf(version === null)(`a trace in ${version ?? 'protoc'}`, () => {
  /** The part of Perfetto's schema that is used here. Numbers and types are those of protos/perfetto/trace. */
  const SCHEMA = `syntax = "proto2";
message Trace { repeated TracePacket packet = 1; }
message TracePacket {
  optional uint64 timestamp = 8;
  optional uint32 trusted_packet_sequence_id = 10;
  optional TrackEvent track_event = 11;
  optional InternedData interned_data = 12;
  optional uint32 sequence_flags = 13;
  optional TrackDescriptor track_descriptor = 60;
}
message TrackDescriptor {
  optional uint64 uuid = 1; optional string name = 2; optional uint64 parent_uuid = 5; optional CounterDescriptor counter = 8;
}
message CounterDescriptor { optional string unit_name = 6; }
message TrackEvent {
  enum Type { TYPE_UNSPECIFIED = 0; TYPE_SLICE_BEGIN = 1; TYPE_SLICE_END = 2; TYPE_INSTANT = 3; TYPE_COUNTER = 4; }
  repeated DebugAnnotation debug_annotations = 4;
  optional Type type = 9; optional uint64 name_iid = 10; optional uint64 track_uuid = 11;
  optional int64 counter_value = 30; optional double double_counter_value = 44;
  repeated fixed64 flow_ids = 47; repeated fixed64 terminating_flow_ids = 48;
}
message DebugAnnotation {
  optional uint64 name_iid = 1; optional bool bool_value = 2; optional uint64 uint_value = 3;
  optional double double_value = 5; optional string string_value = 6;
}
message InternedData { repeated Name event_names = 2; repeated Name debug_annotation_names = 3; }
message Name { optional uint64 iid = 1; optional string name = 2; }
`;

  it('is what was written, with nothing that the schema does not know', async () => {
    const { mkdtempSync, rmSync, writeFileSync } = await import('node:fs');
    const { tmpdir } = await import('node:os');
    const { join } = await import('node:path');
    const folder = mkdtempSync(join(tmpdir(), 'peerlane-protoc-'));
    try {
      writeFileSync(join(folder, 'trace.proto'), SCHEMA);
      const bytes = traced((trace) => {
        const drive = trace.track(null, 'nvme0');
        const queue = trace.track(drive, 'queue 1');
        const load = trace.counterTrack(drive, 'load', '%');
        trace.slice(queue, 'read "4K" ü', 2 ** 45, 2 ** 45 + 90_000_000, {
          flows: [1, 2 ** 40],
          endsFlows: [3],
          args: { lba: 2 ** 50, ratio: 0.25, late: true, to: 'gpu0' },
        });
        trace.counter(load, 5000, 99);
        trace.counter(load, 6000, 0.5);
      });
      const decoded = execFileSync('protoc', ['--decode=Trace', 'trace.proto'], {
        cwd: folder,
        input: bytes,
        encoding: 'utf8',
      });
      // A field of another number or type is printed by number.
      expect(decoded).not.toMatch(/^\s*\d+\s*[:{]/m);
      const lines = decoded.split('\n').map((line) => line.trim());
      expect(lines).toEqual(
        expect.arrayContaining([
          'name: "queue 1"',
          'parent_uuid: 1',
          'unit_name: "%"',
          'type: TYPE_SLICE_BEGIN',
          'type: TYPE_SLICE_END',
          'type: TYPE_COUNTER',
          `timestamp: ${Math.floor(2 ** 45 / 1000)}`,
          `timestamp: ${Math.floor((2 ** 45 + 90_000_000) / 1000)}`,
          'flow_ids: 1',
          `flow_ids: ${2 ** 40}`,
          'terminating_flow_ids: 3',
          `uint_value: ${2 ** 45}`,
          'uint_value: 90000000',
          `uint_value: ${2 ** 50}`,
          'double_value: 0.25',
          'bool_value: true',
          'string_value: "gpu0"',
          'counter_value: 99',
          'double_counter_value: 0.5',
          'name: "read \\"4K\\" \\303\\274"',
        ]),
      );
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
