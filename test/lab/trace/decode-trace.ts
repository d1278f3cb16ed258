// A Perfetto trace as plain values, read with the decoder that shares nothing with the writer.
import { decodeProto, first, many, number, text } from '../../report/proto-decoder.ts';

export interface ReadSlice {
  readonly track: string;
  readonly name: string;
  readonly startNs: number;
  endNs: number;
  readonly startPs: number;
  readonly durationPs: number;
  readonly flows: readonly number[];
  readonly endsFlows: readonly number[];
  readonly args: Readonly<Record<string, number | string>>;
}

export interface ReadTrace {
  /** `group / name` of every track that is no counter, the same for all lanes of one. */
  readonly tracks: ReadonlySet<string>;
  readonly slices: readonly ReadSlice[];
  readonly counters: ReadonlyMap<string, readonly { readonly atNs: number; readonly value: number }[]>;
  /** Slices that begin before the one before in their lane has ended. */
  readonly overlaps: number;
}

export function decodeTrace(bytes: Uint8Array): ReadTrace {
  const names = new Map<number, string>();
  const counterUuids = new Set<number>();
  const eventNames = new Map<number, string>();
  const annotationNames = new Map<number, string>();
  const open = new Map<number, ReadSlice>();
  const endsAt = new Map<number, number>();
  const slices: ReadSlice[] = [];
  const counters = new Map<string, { atNs: number; value: number }[]>();
  let overlaps = 0;
  for (const packet of many(decodeProto(bytes), 1)) {
    const fields = decodeProto(packet.bytes!);
    const descriptor = first(fields, 60);
    if (descriptor !== undefined) {
      const track = decodeProto(descriptor.bytes!);
      const uuid = number(track, 1)!;
      const parent = names.get(number(track, 5) ?? 0);
      names.set(uuid, `${parent === undefined ? '' : `${parent} / `}${text(track, 2)}`);
      if (first(track, 8) !== undefined) {
        counterUuids.add(uuid);
      }
      continue;
    }
    const interned = first(fields, 12);
    for (const entry of interned === undefined ? [] : decodeProto(interned.bytes!)) {
      const pair = decodeProto(entry.bytes!);
      (entry.field === 2 ? eventNames : annotationNames).set(number(pair, 1)!, text(pair, 2)!);
    }
    const event = decodeProto(first(fields, 11)!.bytes!);
    const atNs = number(fields, 8)!;
    const uuid = number(event, 11)!;
    const track = names.get(uuid)!;
    switch (number(event, 9)) {
      case 1: {
        const args: Record<string, number | string> = {};
        for (const annotation of many(event, 4)) {
          const parts = decodeProto(annotation.bytes!);
          const key = annotationNames.get(number(parts, 1)!)!;
          args[key] = text(parts, 6) ?? first(parts, 5)?.double ?? number(parts, 3) ?? number(parts, 2)!;
        }
        overlaps += open.has(uuid) || atNs < (endsAt.get(uuid) ?? 0) ? 1 : 0;
        open.set(uuid, {
          track,
          name: eventNames.get(number(event, 10)!)!,
          startNs: atNs,
          endNs: -1,
          startPs: args.start_ps as number,
          durationPs: args.duration_ps as number,
          flows: many(event, 47).map(({ value }) => value!),
          endsFlows: many(event, 48).map(({ value }) => value!),
          args,
        });
        break;
      }
      case 2: {
        const slice = open.get(uuid)!;
        open.delete(uuid);
        slice.endNs = atNs;
        endsAt.set(uuid, atNs);
        slices.push(slice);
        break;
      }
      default:
        counters.set(track, [
          ...(counters.get(track) ?? []),
          { atNs, value: first(event, 44)?.double ?? number(event, 30)! },
        ]);
    }
  }
  const tracks = new Set([...names].filter(([uuid]) => !counterUuids.has(uuid)).map(([, name]) => name));
  return { tracks, slices, counters, overlaps: overlaps + open.size };
}
