/** What may stand where in a lab file, from the schemas that read it: for paths that name a value. */
import * as z from 'zod';
import { bridgeSchemas } from './bridge-fields.ts';
import { oneOrMany, shortForms } from './field.ts';
import { ENDPOINT_KINDS } from './kinds/index.ts';
import { hostBridgeSchema, machineSchema } from './machine-fields.ts';
import type { LabBlock } from './values.ts';
import { STREAM_KINDS, streamSchemas } from './workload-fields.ts';

export interface Shape {
  /** Keys of a block; missing where it is none. */
  readonly keys?: ReadonlyMap<string, Shape>;
  /** Any keys, dots included, each with a text. */
  readonly hasAnyKeys?: boolean;
  /** Of the items of a list, from the keys of an item, or from its word; one item may stand for the list. */
  readonly itemOf?: (words: readonly string[]) => Shape;
  /** Whether the first item can be made where there is none. */
  readonly canBegin?: boolean;
  /** The block that a word stands for; undefined: it stands for none. */
  readonly expand?: (word: string) => LabBlock | undefined;
}

const LEAF: Shape = {};

const ofSchemas = new Map<z.ZodType, Shape>();

function shapeOf(schema: z.ZodType): Shape {
  const known = ofSchemas.get(schema);
  if (known !== undefined) {
    return known;
  }
  const shape = makeShape(schema);
  ofSchemas.set(schema, shape);
  return shape;
}

function makeShape(schema: z.ZodType): Shape {
  const form = shortForms.get(schema);
  if (form !== undefined && oneOrMany.has(schema)) {
    const item = shapeOf((form.long as z.ZodArray<z.ZodType>).element);
    return { itemOf: () => item, canBegin: true };
  }
  if (form !== undefined) {
    return { ...shapeOf(form.long), ...(form.expand === undefined ? {} : { expand: form.expand }) };
  }
  if (schema instanceof z.ZodObject) {
    const keys = Object.entries(schema.shape as Record<string, z.ZodType>);
    return { keys: new Map(keys.map(([key, value]) => [key, shapeOf(value)])) };
  }
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodPrefault || schema instanceof z.ZodNullable) {
    return shapeOf(schema.def.innerType as z.ZodType);
  }
  return schema.meta()?.type === 'object' ? { hasAnyKeys: true } : LEAF;
}

function withKeys(shape: Shape, keys: Readonly<Record<string, Shape>>): Shape {
  return { ...shape, keys: new Map([...(shape.keys ?? []), ...Object.entries(keys)]) };
}

const nodeSchemas: ReadonlyMap<string, z.ZodType> = new Map([
  ...Object.entries(bridgeSchemas),
  ...ENDPOINT_KINDS.map((kind) => [kind.kind, kind.schema] as const),
]);
export const NODE_KINDS: readonly string[] = [...nodeSchemas.keys()];
const nodeShapes = new Map<string, Shape>();

function nodeShape(kind: string): Shape {
  let shape = nodeShapes.get(kind);
  if (shape === undefined) {
    shape = shapeOf(nodeSchemas.get(kind)!);
    shape = withKeys(shape, { [kind]: LEAF, ...(shape.keys!.has('below') ? { below: NODES } : {}) });
    nodeShapes.set(kind, shape);
  }
  return shape;
}

/** `below`: which kind an item is, its keys tell. A word is a device without a name. */
const NODES: Shape = {
  itemOf: (words) => {
    const kind = words.find((word) => nodeSchemas.has(word));
    return kind === undefined ? LEAF : { ...nodeShape(kind), expand: (word) => ({ [word.trim()]: null }) };
  },
};

const STREAMS: Shape = {
  itemOf: (keys) => {
    const kind = STREAM_KINDS.find((each) => keys.includes(each));
    return kind === undefined ? LEAF : shapeOf(streamSchemas[kind]);
  },
};

const HOST_BRIDGE = withKeys(shapeOf(hostBridgeSchema), { below: NODES });
const MACHINE = shapeOf(machineSchema);

/** Of the whole file. */
export const MACHINE_SHAPE: Shape = withKeys(MACHINE, {
  below: NODES,
  'host-bridges': { itemOf: () => HOST_BRIDGE },
  workload: withKeys(MACHINE.keys!.get('workload')!, { streams: STREAMS }),
});
