/**
 * JSON Schema (2020-12) of the lab file, for editors: `# yaml-language-server: $schema=…`.
 *
 * Made from the zod schemas that read the file, so that the two cannot differ in keys, defaults and descriptions. It is not as
 * strict as the reader: what depends on other fields is left to that. Editors guess types of plain words as YAML does, so a
 * field that takes digits allows numbers too.
 */
import * as z from 'zod';
import { bridgeAbout, bridgeSchemas, type LabBridgeKind } from './bridge-fields.ts';
import { oneOrMany, shortForms } from './field.ts';
import { ENDPOINT_KINDS } from './kinds/index.ts';
import { hostBridgeSchema, machineSchema } from './machine-fields.ts';
import { LAB_MARKER, LAB_VERSION } from './recognise-lab.ts';
import { STREAM_KINDS, streamAbout, streamSchemas } from './workload-fields.ts';

type Json = Record<string, unknown>;

const SLOT_BRIDGES = ['switch', 'pci-bridge'] as const;
/** What a list below each bridge may hold, besides devices. */
const BELOW: Readonly<Record<string, readonly LabBridgeKind[]>> = {
  'host-bridge': ['root-port', 'vmd', ...SLOT_BRIDGES],
  vmd: ['root-port', ...SLOT_BRIDGES],
  switch: ['port', ...SLOT_BRIDGES],
  'root-port': SLOT_BRIDGES,
  port: SLOT_BRIDGES,
  'pci-bridge': [],
};

/** The whole schema, ready for `JSON.stringify`. */
export function labJsonSchema(): Json {
  const shared: Shared = new Map();
  const defs: Json = {};
  for (const kind of ENDPOINT_KINDS) {
    defs[kind.kind] = nodeSchema(kind.kind, kind.about, convert(kind.schema, shared), true);
  }
  for (const [kind, schema] of Object.entries(bridgeSchemas)) {
    defs[kind] = nodeSchema(kind, bridgeAbout[kind as LabBridgeKind], convert(schema, shared), false);
  }
  defs['host-bridge'] = withBelow(convert(hostBridgeSchema, shared), 'host-bridge');
  for (const [holder, bridges] of Object.entries(BELOW)) {
    defs[`below-${holder}`] = belowSchema(bridges);
  }
  const machine = withBelow(convert(machineSchema, shared), 'host-bridge');
  const properties = machine.properties as Record<string, Json>;
  properties['host-bridges'] = {
    type: 'array',
    items: { $ref: '#/$defs/host-bridge' },
    ...properties['host-bridges'],
  };
  for (const kind of STREAM_KINDS) {
    defs[`stream-${kind}`] = { description: streamAbout[kind], ...convert(streamSchemas[kind], shared) };
  }
  addStreams(properties.workload!);
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: `Peerlane lab file (${LAB_VERSION})`,
    description: 'A machine for peerlane: host bridges, ports, switches and devices. See docs/lab-file.md.',
    ...machine,
    required: [LAB_MARKER],
    $defs: { ...defs, ...Object.fromEntries(shared) },
  };
}

/** Streams are read by kind, so the block of the workload knows nothing of them. */
function addStreams(workload: Json): void {
  const properties = workload.properties as Record<string, Json>;
  const kinds = STREAM_KINDS.map((kind) => ({ $ref: `#/$defs/stream-${kind}` }));
  const description = properties.streams?.description;
  properties.streams = { description, anyOf: [{ type: 'array', items: { anyOf: kinds } }, ...kinds] };
  workload.required = ['streams'];
}

/** Parts that many fields have, by name. */
type Shared = Map<string, Json>;

function convert(schema: z.ZodType, shared: Shared): Json {
  const json = z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      const form = shortForms.get(zodSchema);
      if (form === undefined) {
        return;
      }
      const long = convert(form.long, shared);
      const short = oneOrMany.has(zodSchema) ? (long.items ?? form.short) : form.short;
      const whole = short === undefined ? long : { anyOf: [short, long] };
      if (form.shared !== undefined) {
        shared.set(form.shared, whole);
      }
      for (const key of Object.keys(jsonSchema)) {
        delete (jsonSchema as Json)[key];
      }
      Object.assign(
        jsonSchema,
        form.shared === undefined ? whole : { allOf: [{ $ref: `#/$defs/${form.shared}` }] },
      );
    },
  }) as Json;
  const { $schema: _, ...rest } = json;
  return rest;
}

function nodeSchema(kind: string, about: string, fields: Json, isEndpoint: boolean): Json {
  const name = { type: 'string', pattern: '^[A-Za-z][A-Za-z0-9_-]{0,31}$' };
  const names = isEndpoint
    ? [name, { type: 'array', items: name }, { type: 'null' }]
    : [name, { type: 'null' }];
  const named = {
    description: `${about} Its name${isEndpoint ? ', or a list of names for several alike' : ''}; may be left empty.`,
    anyOf: names,
  };
  const json = isEndpoint ? fields : withBelow(fields, kind);
  return {
    description: about,
    ...json,
    properties: { [kind]: named, ...(json.properties as Json) },
    required: [kind],
  };
}

function withBelow(json: Json, holder: string): Json {
  const properties = json.properties as Record<string, Json>;
  const description = properties.below?.description;
  return {
    ...json,
    properties: { ...properties, below: { description, $ref: `#/$defs/below-${holder}` } },
  };
}

function belowSchema(bridges: readonly string[]): Json {
  const kinds = [...bridges, ...ENDPOINT_KINDS.map((kind) => kind.kind)];
  const item = { anyOf: [{ enum: kinds }, ...kinds.map((kind) => ({ $ref: `#/$defs/${kind}` }))] };
  return { anyOf: [{ type: 'array', items: item }, ...item.anyOf, { type: 'null' }] };
}
