/** A reader of the wire format of Protocol Buffers that shares nothing with the writer. */

export interface ProtoField {
  readonly field: number;
  /** Varints and fixed64. */
  readonly value?: number;
  /** The same eight bytes as a double. */
  readonly double?: number;
  readonly bytes?: Uint8Array;
}

export function decodeProto(bytes: Uint8Array): ProtoField[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const fields: ProtoField[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) {
        throw new Error('ends inside a varint');
      }
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) {
        return Number(value);
      }
    }
  };
  while (at < bytes.length) {
    const key = varint();
    const field = key >>> 3;
    switch (key & 7) {
      case 0:
        fields.push({ field, value: varint() });
        break;
      case 1:
        fields.push({
          field,
          value: Number(view.getBigUint64(at, true)),
          double: view.getFloat64(at, true),
        });
        at += 8;
        break;
      case 2: {
        const length = varint();
        if (at + length > bytes.length) {
          throw new Error('ends inside a field');
        }
        fields.push({ field, bytes: bytes.subarray(at, at + length) });
        at += length;
        break;
      }
      default:
        throw new Error(`wire type ${key & 7}`);
    }
  }
  return fields;
}

export function many(fields: readonly ProtoField[], field: number): ProtoField[] {
  return fields.filter((each) => each.field === field);
}

export function first(fields: readonly ProtoField[], field: number): ProtoField | undefined {
  return fields.find((each) => each.field === field);
}

export function number(fields: readonly ProtoField[], field: number): number | undefined {
  return first(fields, field)?.value;
}

export function text(fields: readonly ProtoField[], field: number): string | undefined {
  const found = first(fields, field);
  return found === undefined ? undefined : new TextDecoder('utf-8', { fatal: true }).decode(found.bytes);
}
