import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import * as z from 'zod';
import { labJsonSchema } from '../../../src/lab/index.ts';
import { examples } from './examples.ts';
import { allKeys, type Json, tableFor } from './tables.ts';

const docs = fileURLToPath(new URL('../../../docs/', import.meta.url));
const schema = labJsonSchema() as Json;

/** Blocks of keys within, with the way to each. */
function* blocks(json: unknown, path = ''): Generator<[string, Json]> {
  if (typeof json === 'object' && json !== null) {
    for (const [key, value] of Object.entries(json)) {
      if (key === 'properties') {
        for (const [name, property] of Object.entries(value as object)) {
          yield [`${path}/${name}`, property as Json];
        }
      }
      yield* blocks(value, `${path}/${key}`);
    }
  }
}

describe('the JSON schema of lab files', () => {
  // `npx vitest run test/lab/file/schema -u` writes both files anew.
  it('is the one in docs/lab-file.schema.json', async () => {
    await expect(`${JSON.stringify(schema, null, 1)}\n`).toMatchFileSnapshot(`${docs}lab-file.schema.json`);
  });

  it('describes every field', () => {
    const bare = [...blocks(schema)].filter(([, property]) => typeof property.description !== 'string');
    expect(bare.map(([path]) => path)).toEqual([]);
  });

  it('has no field that is called like a kind, for an item is known by its kind', () => {
    const defs = schema.$defs as Record<string, Json>;
    const kinds = Object.keys(defs).filter((name) => JSON.stringify(defs[name]!.required) === `["${name}"]`);
    expect(kinds.length).toBeGreaterThanOrEqual(12);
    for (const kind of kinds) {
      const fields = Object.keys(defs[kind]!.properties as object);
      expect(fields.filter((field) => kinds.includes(field))).toEqual([kind]);
    }
  });

  it.each(examples)('takes %s as an editor reads it', (_, text) => {
    const check = z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]);
    expect(check.safeParse(parse(text, { merge: true })).error?.message).toBeUndefined();
  });

  it('takes time and a workload as an editor reads them', () => {
    const check = z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]);
    const good = [
      'time: generic',
      'time: {error-rate: 1e-12, credits: {posted-headers: inf, posted-data: 64}, latency: {pin: 60ns, link: 0}}',
      'below: {nvme: n, media: {mixed: 0.3, read-iops: 5000}, timing: {write-efficiency: 1, transactions: 47M}}',
      'below: [{nvme: n}]\nworkload: {streams: [{read: n, block: 512, depth: 4, count: 10, rate: 1GB/s}, {copy: n, to: m}]}',
      'below: [{nvme: n}]\nworkload: {streams: {read: n, block: [{size: 512, share: 2}, 4K], duty: {on: 1ms, off: 1us}}}',
    ].map((text) => `peerlane: lab/1\n${text}`);
    expect(good.filter((text) => !check.safeParse(parse(text)).success)).toEqual([]);
    const bad = [
      'time: nowhere',
      'time: {latency: {pin: 60}}',
      'workload: {}',
      'workload: {streams: [{raed: n}]}',
      'workload: {streams: [{read: n, depth: 0}]}',
    ].map((text) => `peerlane: lab/1\n${text}`);
    expect(bad.filter((text) => check.safeParse(parse(text)).success)).toEqual([]);
  });

  it('refuses what the reader refuses', () => {
    const check = z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]);
    const bad = [
      '{}',
      'peerlane: lab/1\nbelow: [{nvme: a, cbm: 1}]',
      'peerlane: lab/1\niommu: maybe',
      'peerlane: lab/1\nbelow: swich',
    ];
    expect(bad.filter((text) => check.safeParse(parse(text)).success)).toEqual([]);
  });
});

describe('docs/lab-file.md', () => {
  const page = readFileSync(`${docs}lab-file.md`, 'utf8');

  it('has the tables of the schema', async () => {
    const made = page.replace(
      /<!-- table: (\S+) -->\n[\s\S]*?<!-- end -->/g,
      (_, name: string) => `<!-- table: ${name} -->\n${tableFor(name)}\n<!-- end -->`,
    );
    await expect(made).toMatchFileSnapshot(`${docs}lab-file.md`);
  });

  it('names every key', () => {
    // Indices of BARs are in the text.
    const keys = allKeys().filter((key) => !/^\d$/.test(key));
    expect(keys.filter((key) => !page.includes(`| \`${key}\` |`))).toEqual([]);
  });
});
