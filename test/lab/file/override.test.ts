import { describe, expect, it } from 'vitest';
import { LabError } from '../../../src/base/index.ts';
import { type LabNode, labPaths, parseLab, setLabValue } from '../../../src/lab/index.ts';

const TEXT = `# A machine.
peerlane: lab/1
kernel: 7.2.12 # whose rules hold
time: intel-xeon-bdw
below:
  - switch: sw0
    below:
      - nvme: nvme0 # the fast one
        cmb: 64M
        media: {preset: gen3, read-iops: 800k}
      - nvme
  - {gpu: gpu0, bars: {1: 64G prefetchable}}
iopmem: gpu0
workload:
  streams:
    - {read: nvme0, name: r0, block: 4K}
    - read: nvme1
`;

/** Every node with a name, whatever it is. */
function named(text: string): Map<string, LabNode> {
  const found = new Map<string, LabNode>();
  const visit = (nodes: readonly LabNode[]): void => {
    for (const node of nodes) {
      if (node.name !== null) {
        found.set(node.name, node);
      }
      if ('below' in node) {
        visit(node.below);
      }
    }
  };
  visit(parseLab(text, 'x').hostBridges.flatMap((bridge) => bridge.below));
  return found;
}

/** Lines that the new text has and the old one has not. */
function changed(path: string, value: string, text = TEXT): string {
  const before = text.split('\n');
  const after = setLabValue(text, path, value);
  parseLab(after, 'after');
  return after
    .split('\n')
    .filter((line) => !before.includes(line))
    .map((line) => line.trim())
    .join(' | ');
}

describe('setLabValue', () => {
  it.each([
    ['kernel', '6.8', 'kernel: 6.8 # whose rules hold'],
    ['cpu.sockets', '2', 'cpu: | sockets: 2'],
    ['time', 'generic', 'time: generic'],
    ['time.platform', 'generic', 'time: | platform: generic'],
    ['time.engine', 'tlp', 'time: | platform: intel-xeon-bdw | engine: tlp'],
    ['time.latency.switch', '150ns', 'time: | platform: intel-xeon-bdw | latency: | switch: 150ns'],
    ['below.0.link', 'gen3 x16', 'link: gen3 x16'],
    ['below.sw0.link', 'gen3 x16', 'link: gen3 x16'],
    ['sw0.timing.weight', '3', 'timing: | weight: 3'],
    ['nvme0.link', 'gen3 x4', 'link: gen3 x4'],
    ['below.0.below.nvme0.link', 'gen3 x4', 'link: gen3 x4'],
    ['below.0.below.1.link', 'gen3 x4', '- nvme: | link: gen3 x4'],
    ['nvme1.link', 'gen3 x4', '- nvme: | link: gen3 x4'],
    ['nvme0.cmb', '128M', 'cmb: 128M'],
    ['nvme0.cmb.offset', '64M', 'cmb: | size: 64M | offset: 64M'],
    ['nvme0.media', 'gen5', 'media: gen5'],
    ['nvme0.media.read-bandwidth', '3GB/s', 'media: {preset: gen3, read-iops: 800k, read-bandwidth: 3GB/s}'],
    ['nvme0.media.read-iops', '1M', 'media: {preset: gen3, read-iops: 1M}'],
    ['nvme0.namespaces.0.block', '4096', 'namespaces: | block: 4096'],
    ['gpu0.bars.1.size', '32G', '- {gpu: gpu0, bars: {1: {size: 32G, prefetchable: yes}}}'],
    ['gpu0.timing.tags', '64', '- {gpu: gpu0, bars: {1: 64G prefetchable}, timing: {tags: 64}}'],
    ['iopmem0.block', '512', 'iopmem: | function: gpu0 | block: 512'],
    ['modules.nvme.use_cmb_sqs', '0', 'modules: | nvme.use_cmb_sqs: 0'],
    ['r0.depth', '64', '- {read: nvme0, name: r0, block: 4K, depth: 64}'],
    ['workload.streams.r0.depth', '64', '- {read: nvme0, name: r0, block: 4K, depth: 64}'],
    ['workload.streams.0.depth', '64', '- {read: nvme0, name: r0, block: 4K, depth: 64}'],
    ['read-nvme1.depth', '64', 'depth: 64'],
    ['workload.streams.read-nvme1.depth', '64', 'depth: 64'],
    [
      'r0.block',
      '[{size: 4K, share: 70}, 64K]',
      '- {read: nvme0, name: r0, block: [{size: 4K, share: 70}, 64K]}',
    ],
    ['r0.block.0.share', '7', '- {read: nvme0, name: r0, block: {size: 4K, share: 7}}'],
    ['workload.duration', '5ms', 'duration: 5ms'],
    ['workload.memory-load.0.write', '40GB/s', 'memory-load: | write: 40GB/s'],
    ['title', 'yes: no # 1', 'title: "yes: no # 1"'],
  ])('sets %s', (path, value, lines) => {
    expect(changed(path, value)).toBe(lines);
  });

  it('keeps comments and everything else', () => {
    const text = setLabValue(TEXT, 'nvme0.cmb', '128M');
    expect(text).toBe(TEXT.replace('cmb: 64M', 'cmb: 128M'));
  });

  it('changes one device of several that share an anchor, a merge key or an item', () => {
    const shared = `peerlane: lab/1
below:
  - &drive {nvme: a, media: gen4, cmb: 64M}
  - {<<: *drive, nvme: b}
  - {nvme: c, media: &m {preset: gen5}}
  - {nvme: d, media: *m}
  - nvme: [e, f, g]
    media: gen3
`;
    for (const path of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) {
      const before = named(shared);
      const after = named(setLabValue(shared, `${path}.media.read-iops`, '5k'));
      expect([...after.keys()]).toEqual([...before.keys()]);
      for (const [name, node] of after) {
        const was = before.get(name) as unknown as { media: object };
        expect(node).toEqual(name === path ? { ...was, media: { ...was.media, readIops: 5000 } } : was);
      }
    }
  });

  it('makes a list of an item that stood alone for several', () => {
    const text = setLabValue(
      'peerlane: lab/1\nbelow: {switch: , below: {nvme: [a, b]}}',
      'b.link',
      'gen3 x2',
    );
    expect(named(text).get('a')).toMatchObject({ link: { generation: 4 } });
    expect(named(text).get('b')).toMatchObject({ link: { generation: 3, width: 2 } });
  });

  it('takes a key of the file before a device of that name', () => {
    const text = setLabValue('peerlane: lab/1\nbelow: {nvme: title}', 'title', 'x');
    expect(parseLab(text, 'x').title).toBe('x');
  });

  it('leaves judging the value to the reader', () => {
    expect(() => parseLab(setLabValue(TEXT, 'nvme0.link', 'gen9 x3'), 'x')).toThrowError(/gen9 x3/);
  });

  it.each([
    ['nvme9.link', "the lab has no 'nvme9'; did you mean 'nvme", 'sw0'],
    ['nvme0.lnk', "nvme0 has no 'lnk'; did you mean 'link'?", 'link'],
    ['time.latency.swich', "time.latency has no 'swich'; did you mean 'switch'?", 'switch'],
    ['time.platform.x', "time.platform has no 'x'", 'nothing is below'],
    ['below.7.link', "below has no '7'", 'sw0'],
    ['below.x.link', "below has no 'x'", 'sw0'],
    ['workload.streams.r1.depth', "workload.streams has no 'r1'", 'r0'],
    ['r0.from', "r0 has no 'from'", 'to'],
    ['nvme0.namespaces.3.size', "nvme0.namespaces has no '3'", ''],
    ['nvme0', 'is a whole item', 'link'],
    ['', "the lab has no ''", 'nvme0'],
    ['nvme0.', "nvme0 has no ''", 'link'],
    ['modules.', "modules has no ''", ''],
    ['__proto__.x', "has no '__proto__'", ''],
    ['nvme0.constructor', "has no 'constructor'", ''],
  ])('refuses the path %j', (path, message, hint) => {
    try {
      setLabValue(TEXT, path, 'x');
    } catch (error) {
      expect(error).toBeInstanceOf(LabError);
      expect((error as LabError).code).toBe('LAB_UNKNOWN_PATH');
      expect((error as LabError).exitStatus).toBe(2);
      expect((error as LabError).message).toContain(message);
      expect((error as LabError).hint).toContain(hint);
      return;
    }
    throw new Error('was set');
  });

  it('refuses text and values that are no YAML', () => {
    expect(() => setLabValue('a: [', 'title', 'x')).toThrowError(
      expect.objectContaining({ code: 'LAB_SYNTAX' }),
    );
    expect(() => setLabValue(TEXT, 'memory', '[1G')).toThrowError(
      expect.objectContaining({ code: 'LAB_SYNTAX' }),
    );
    expect(() => setLabValue('&a [*a]', 'title', 'x')).toThrowError(
      expect.objectContaining({ code: 'LAB_TOO_LARGE' }),
    );
  });
});

describe('labPaths', () => {
  it('lists what the file says, by the names of things', () => {
    expect(labPaths(TEXT)).toEqual([
      'peerlane',
      'kernel',
      'time',
      'nvme0.cmb',
      'nvme0.media.preset',
      'nvme0.media.read-iops',
      'nvme1',
      'gpu0.bars.1',
      'iopmem0',
      'r0.read',
      'r0.block.0',
      'read-nvme1.read',
    ]);
  });
});
