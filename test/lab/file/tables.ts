/** Tables of docs/lab-file.md from the JSON schema. */
import { labJsonSchema } from '../../../src/lab/index.ts';

export interface Json {
  readonly [key: string]: unknown;
}

const schema = labJsonSchema() as Json;
const defs = schema.$defs as Record<string, Json>;

/** The block of keys within a field, past short forms, lists and references. */
function blockOf(json: Json): Json | undefined {
  if (json.properties !== undefined) {
    return json;
  }
  const ref = json.$ref as string | undefined;
  if (ref !== undefined) {
    return blockOf(defs[ref.slice('#/$defs/'.length)]!);
  }
  const parts = [
    ...((json.anyOf ?? json.allOf ?? []) as Json[]),
    ...(json.items ? [json.items as Json] : []),
  ];
  for (const part of parts) {
    const found = blockOf(part);
    if (found !== undefined) {
      return found;
    }
  }
  return undefined;
}

export function propertiesOf(json: Json): Record<string, Json> {
  return (blockOf(json)?.properties ?? {}) as Record<string, Json>;
}

function takes(json: Json): string {
  const ref = (json.$ref ?? (json.allOf as Json[] | undefined)?.[0]?.$ref) as string | undefined;
  if (ref !== undefined) {
    const name = ref.slice('#/$defs/'.length);
    return name.startsWith('below-') ? 'list' : `[${name}](#${name === 'bar' ? 'bars' : name})`;
  }
  if (json.enum !== undefined) {
    const words = (json.enum as unknown[]).filter((word) => typeof word === 'string');
    return words.includes('yes') ? 'yes, no' : words.map((word) => `\`${word}\``).join(', ');
  }
  if (json.title !== undefined) {
    return String(json.title);
  }
  const forms = json.anyOf as Json[] | undefined;
  if (
    forms !== undefined &&
    forms.length === 2 &&
    forms[1]!.type === 'array' &&
    forms[1]!.items !== undefined
  ) {
    const [one, many] = [takes(forms[0]!), takes(forms[1]!.items as Json)];
    return one === many ? `${one}, or a list` : `${one}, or a list of ${many}`;
  }
  if (forms?.some((form) => String(form.$ref).startsWith('#/$defs/stream-'))) {
    return 'list of streams';
  }
  if (json.anyOf !== undefined) {
    return [...new Set((json.anyOf as Json[]).map(takes))].join(', or ');
  }
  if (json.type === 'array') {
    return `list of ${json.items === undefined ? 'blocks' : takes(json.items as Json)}`;
  }
  return json.type === 'object' ? 'block' : json.type === 'integer' ? 'whole number' : 'word';
}

function defaultOf(json: Json): string {
  const value = json.default;
  if (value === undefined || (typeof value === 'object' && Object.keys(value as object).length === 0)) {
    return '';
  }
  const text = (part: unknown): string =>
    Array.isArray(part)
      ? `[${part.map(text).join(', ')}]`
      : typeof part === 'object' && part !== null
        ? `{${Object.entries(part)
            .map(([key, item]) => `${key}: ${text(item)}`)
            .join(', ')}}`
        : String(part);
  return value === '' ? 'empty' : `\`${text(value)}\``;
}

function table(heading: string, properties: Record<string, Json>): string {
  const cell = (text: string) => text.replaceAll('|', '\\|');
  const rows = Object.entries(properties).map(([key, json]) => {
    const description = String(json.description ?? '');
    return `| \`${key}\` | ${cell(takes(json))} | ${cell(defaultOf(json))} | ${cell(description)} |`;
  });
  return [`| ${heading} | Takes | Default | |`, '|---|---|---|---|', ...rows].join('\n');
}

const endpointKinds = Object.keys(defs).filter(
  (name) => propertiesOf(defs[name]!)['address-bits'] !== undefined,
);

/** Fields of all devices that say the same for each. */
function commonFields(): Record<string, Json> {
  const generic = propertiesOf(defs.generic!);
  return Object.fromEntries(
    Object.entries(generic).filter(([key, json]) =>
      endpointKinds.every((kind) => JSON.stringify(propertiesOf(defs[kind]!)[key]) === JSON.stringify(json)),
    ),
  );
}

const streamKinds = Object.keys(defs).filter((name) => name.startsWith('stream-'));

/** Fields of all streams that say the same for each. */
function commonStreamFields(): Record<string, Json> {
  return Object.fromEntries(
    Object.entries(propertiesOf(defs[streamKinds[0]!]!)).filter(([key, json]) =>
      streamKinds.every((kind) => JSON.stringify(propertiesOf(defs[kind]!)[key]) === JSON.stringify(json)),
    ),
  );
}

/** The table that `<!-- table: name -->` stands for. */
export function tableFor(name: string): string {
  const common = commonFields();
  if (name === 'device') {
    return table('Field', common);
  }
  if (name === 'stream') {
    return table('Field', commonStreamFields());
  }
  const [first, ...fields] = name.split('.') as [string, ...string[]];
  const holder = first === 'machine' ? schema : defs[first]!;
  if (fields.length > 0) {
    const json = fields.reduce((block, field) => propertiesOf(block)[field]!, holder);
    return table(`\`${fields.at(-1)}\``, propertiesOf(json));
  }
  const base =
    first === 'accelerator'
      ? propertiesOf(defs.nvme!)
      : endpointKinds.includes(first)
        ? common
        : first.startsWith('stream-')
          ? commonStreamFields()
          : {};
  const own = Object.entries(propertiesOf(holder)).filter(
    ([key, json]) =>
      JSON.stringify(base[key]) !== JSON.stringify(json) && (first !== 'accelerator' || key !== 'nvme'),
  );
  const heading = first === 'machine' ? 'Key' : `\`${first.replace('stream-', '')}\``;
  return table(heading, Object.fromEntries(own));
}

/** Every key that the schema has, with where it is. */
export function allKeys(): string[] {
  const keys = new Set<string>();
  const visit = (json: unknown): void => {
    if (typeof json !== 'object' || json === null) {
      return;
    }
    for (const [key, value] of Object.entries(json)) {
      if (key === 'properties') {
        for (const property of Object.keys(value as object)) {
          keys.add(property);
        }
      }
      visit(value);
    }
  };
  visit(schema);
  return [...keys];
}
