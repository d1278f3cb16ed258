/** docs/snapshot-format.md names exactly what is read. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MANIFEST_SCHEMA } from '../../src/topology/sysfs/manifest.ts';
import * as names from '../../src/topology/sysfs/names.ts';

const text = readFileSync(new URL('../../docs/snapshot-format.md', import.meta.url), 'utf8');
const quoted = new Set([...text.matchAll(/`([^`\n]+)`/g)].map((match) => match[1]!));

/** One row of the table of what is taken. */
function row(start: string): readonly string[] {
  const line = text.split('\n').find((candidate) => candidate.startsWith(`| ${start}`));
  return [
    ...(line ?? '')
      .split('|')
      .slice(2)
      .join('|')
      .matchAll(/`([^`]+)`/g),
  ].map((match) => match[1]!);
}

describe('the page of the snapshot format', () => {
  it('lists the files of a function, no more and no less', () => {
    expect(row('folder of a function, texts')).toEqual([...names.DEVICE_ATTRIBUTES]);
    expect(row('folder of a function, links')).toEqual([...names.DEVICE_LINKS]);
    expect(row('its `p2pmem/`')).toEqual([...names.P2PMEM_ATTRIBUTES, names.P2PMEM_ALLOCATE]);
  });

  it('lists the folders of links', () => {
    expect(row('links in')).toEqual([
      ...names.CLASS_FOLDERS.map(([folder]) => folder),
      names.IOMMU_CLASS_FOLDER,
    ]);
  });

  it('lists the options of the kernel, of its modules and of modprobe', () => {
    expect(row('`boot/config-RELEASE`').filter((name) => name.startsWith('CONFIG_'))).toEqual([
      ...names.KERNEL_OPTIONS,
    ]);
    expect(row('`sys/module/`')).toEqual(names.MODULE_PARAMETERS.map((pair) => pair.join('.')));
    expect(row('`etc/modprobe.d`')).toEqual(expect.arrayContaining([...names.MODPROBE_MODULES]));
  });

  it('names every other file', () => {
    const files = [
      ...[names.CPUINFO_FILE, names.VERSION_FILE, names.COMMAND_LINE_FILE],
      ...[names.OSRELEASE_FILE, names.BUS_LIST_FILE, ...names.MODPROBE_FOLDERS],
    ];
    expect(files.filter((file) => !quoted.has(file))).toEqual([]);
    expect(text).toContain(`"schema": "${MANIFEST_SCHEMA}"`);
  });

  it('takes by hand what the reader knows of a function', () => {
    const recipe = /^```sh\n([\s\S]*?)^```/m.exec(text)?.[1] ?? '';
    const words = new Set(recipe.split(/\s+/));
    const wanted = [
      ...[...names.DEVICE_ATTRIBUTES, ...names.DEVICE_LINKS, names.CONFIG_FILE],
      ...names.P2PMEM_ATTRIBUTES.map((name) => `p2pmem/${name}`),
    ];
    expect(wanted.filter((name) => !words.has(name))).toEqual([]);
  });
});
