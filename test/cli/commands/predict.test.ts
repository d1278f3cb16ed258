/** `peerlane predict`: figures that the simulated machine reaches, their terms, and what is said where there is no route. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { exampleLab } from '../lab-inputs.ts';
import { expectRefusal } from '../refusal.ts';
import { runCli } from '../run-cli.ts';

const LAB = exampleLab('eideticom');

const directory = mkdtempSync(join(tmpdir(), 'peerlane-predict-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function labFile(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

interface TermJson {
  readonly what: string;
  readonly kind: string;
  readonly goodputGBs: number;
}

interface DirectionJson {
  readonly why: string | null;
  readonly isPossible: boolean | null;
  readonly goodputGBs: number | null;
  readonly limit: string | null;
  readonly smallNs: number | null;
  readonly terms: readonly TermJson[];
  readonly bounced: {
    readonly terms: readonly TermJson[];
    readonly goodputGBs: number;
    readonly dramGBs: number;
    readonly smallNs: number;
  };
}

async function predict(lab: string, ...args: string[]) {
  const { status, stdout, stderr } = await runCli(['lab', lab, 'predict', ...args, '--json']);
  expect(stderr.replace(/^peerlane: warning: .*$/gm, '').trim()).toBe('');
  return { status, ...(JSON.parse(stdout) as { schema: string; write: DirectionJson; read: DirectionJson }) };
}

describe('peerlane predict', () => {
  it('names every term of both directions, and the least decides', async () => {
    const { status, schema, write, read } = await predict(LAB, 'nvme0', 'nvme1');
    expect({ status, schema }).toEqual({ status: 0, schema: 'peerlane/predict/1' });
    expect(write.terms.map(({ kind }) => kind)).toEqual(['media', 'link', 'link']);
    expect(read.terms.map(({ kind }) => kind)).toEqual(['tags', 'link', 'link', 'media']);
    for (const { terms, goodputGBs, limit, bounced, smallNs } of [write, read]) {
      expect(goodputGBs).toBe(Math.min(...terms.map((term) => term.goodputGBs)));
      expect(terms.find(({ what }) => what === limit)?.goodputGBs).toBe(goodputGBs);
      expect(smallNs).toBeLessThan(bounced.smallNs);
    }
    // Posted 64 B endpoint, switch, endpoint: two pins, two links, a switch, 88 bytes on Gen3 x4.
    expect(write.smallNs).toBeCloseTo(2 * 60 + 2 * 1 + 110 + 88 / 3.9384615, 3);
  });

  it('is what the simulated machine then does, within 3 %', async () => {
    const { write, read } = await predict(LAB, 'nvme0', 'nvme1');
    const args = ['nvme1', '--via', 'nvme0', '--block', '128k', '--depth', '32', '--json'];
    const side = async (mode: string) =>
      JSON.parse((await runCli(['lab', LAB, 'bench', ...args, '--mode', mode])).stdout).sides[0];
    // A drive that is read writes into the memory, and one that is written reads from it.
    expect((await side('read')).bytesPerSecond / 1e9 / write.goodputGBs!).toBeCloseTo(1, 1.5);
    expect((await side('write')).bytesPerSecond / 1e9 / read.goodputGBs!).toBeCloseTo(1, 1.5);
  });

  it('between root ports has the root complex among its terms', async () => {
    const { write } = await predict(exampleLab('epyc'), 'nvme0', 'nvme1');
    expect(write.terms.map(({ kind }) => kind)).toContain('root-complex');
    expect(write.goodputGBs).toBeGreaterThan(1);
  });

  it('where a driver has to switch a device on tells the figures for then', async () => {
    const { write } = await predict(exampleLab('gpu-storage'), 'gpu0', 'nvme0');
    expect(write).toMatchObject({ isPossible: null, goodputGBs: 6.9 });
    expect(write.bounced.dramGBs).toBeCloseTo(2 * write.bounced.goodputGBs, 9);
  });

  it('ends with status 1 and all reasons where there is no route, and still knows the bounce', async () => {
    const { status, write } = await predict(exampleLab('nvmet-switch'), 'nvme1', 'nvme4');
    expect(status).toBe(1);
    expect(write.bounced.goodputGBs).toBeGreaterThan(1);
    const text = await runCli(['lab', exampleLab('nvmet-switch'), 'predict', 'nvme1', 'nvme4']);
    expect(text).toMatchObject({ status: 1, stderr: '' });
    expect(text.stdout).toContain('RC_NOT_LISTED');
    expect(text.stdout).toMatch(/^ {2}bounced +\d+\.\d\d GB\/s; 64 B in /m);
  });

  it('lets completions with relaxed ordering go straight where requests are redirected', async () => {
    const text = (relaxed: string) => `peerlane: lab/1
cpu: {vendor: intel, family: 6, model: 85}
iommu: off
memory: 4G
below:
  - root-port: rp0
    link: gen3 x16
    max-payload: 512
    acs: 'on'
    below:
      switch: sw0
      link: gen3 x16
      port-link: gen3 x16
      max-payload: 512
      acs: [RR, CR, UF]
      below:
        - {memory: mem0, link: gen3 x16, bars: {0: 8M}, max-payload: 512}
        - {generic: card, link: gen3 x16, max-payload: 512, relaxed-ordering: ${relaxed}}
`;
    const straight = await predict(labFile('relaxed.yaml', text('yes')), 'mem0', 'card');
    const redirected = await predict(labFile('strict.yaml', text('no')), 'mem0', 'card');
    // D3 for 16 lanes and 512 bytes; or cut to 64 bytes behind the root complex, beside the requests and acknowledgements.
    expect(straight.read.goodputGBs).toBeCloseTo((15.7128 * 512) / 532, 2);
    expect(redirected.read.goodputGBs).toBeCloseTo(15.7128 / (1 + 20 / 64 + 24 / 512 + 0.0055), 1);
    expect(straight.write.goodputGBs).toBe(redirected.write.goodputGBs);
  });

  const client = (peers: string, time: string) => `peerlane: lab/1
cpu: {vendor: intel, family: 6, model: 198}
iommu: off
memory: 4G
${time}
host-bridges:
  - peers: ${peers}
    below:
      - {root-port: rp0, link: gen4 x4, below: {memory: mem0, link: gen4 x4, bars: {0: 8M}}}
      - {root-port: rp1, link: gen4 x4, below: {nvme: nvme0, link: gen4 x4, media: instant}}
`;

  it('goes by what the lab says of its root complex, and says so', async () => {
    const routes = await predict(labFile('routes.yaml', client('routes', '')), 'mem0', 'nvme0');
    expect(routes.read.goodputGBs).toBeGreaterThan(5);
    expect(routes.read.why).toMatch(/passes peer reads: `peers: routes` of pci0000:00.*intel-client refuses/);
    const writes = await predict(labFile('writes.yaml', client('writes-only', '')), 'mem0', 'nvme0');
    expect(writes.write.goodputGBs).toBeGreaterThan(5);
    expect(writes.read).toMatchObject({ isPossible: false, goodputGBs: null });
    expect(writes.read.why).toMatch(/passes no peer reads: `peers: writes-only`/);
    const named = await predict(
      labFile('named.yaml', client('routes', 'time: intel-client')),
      'mem0',
      'nvme0',
    );
    expect(named.read).toMatchObject({ isPossible: false, goodputGBs: null });
    expect(named.read.why).toMatch(/the platform intel-client that the lab names/);
  });

  it('bounced counts what the runtime takes between chunks, the link between sockets, and the same media as peer to peer', async () => {
    const text = `peerlane: lab/1
cpu: {vendor: amd, family: 25, model: 17, sockets: 2}
iommu: off
memory: [4G, 4G]
time: {socket: 5GB/s}
host-bridges:
  - {numa-node: 0, below: [{root-port: rp0, link: gen4 x16, below: {gpu: gpu0, link: gen4 x16}}]}
  - numa-node: 1
    below:
      - {root-port: rp1, link: gen4 x16, below: {gpu: gpu1, link: gen4 x16}}
      - {root-port: rp2, link: gen4 x4, below: {nvme: nvme0, link: gen4 x4, cmb: 64M}}
`;
    const path = labFile('sockets.yaml', text);
    const { write } = await predict(path, 'gpu0', 'gpu1');
    const terms = write.bounced.terms;
    expect(terms.find(({ kind }) => kind === 'socket')?.goodputGBs).toBe(5);
    // C / (C / 5 GB/s + t_sync), by the platform.
    expect(terms.find(({ kind }) => kind === 'software')).toMatchObject({
      goodputGBs: expect.closeTo(2 ** 21 / (2 ** 21 / 5 + 23_500), 6),
    });
    expect(write.bounced.goodputGBs).toBeCloseTo(2 ** 21 / (2 ** 21 / 5 + 23_500), 6);
    // The memory of a drive is meant, not what lies behind it.
    const drive = await predict(path, 'nvme0', 'gpu1');
    const media = (all: readonly { readonly kind: string }[]) => all.filter(({ kind }) => kind === 'media');
    expect(media(drive.write.terms)).toEqual([]);
    expect(media(drive.write.bounced.terms)).toEqual([]);
  });

  it('prints each formula in numbers, and check the short form', async () => {
    const { status, stdout } = await runCli(['lab', LAB, 'predict', 'nvme0', 'nvme1']);
    expect(status).toBe(0);
    expect(stdout).toMatch(
      /3\.752 {3}Gen3 x4 link .*: raw 3\.938, net 3\.928 after SKP; 512 B payload \+ 24 B/,
    );
    expect(stdout).toMatch(/tags of .*: 256 tags x 512 B \/ \d+ ns round trip/);
    expect(stdout).toMatch(/3\.400 < media of /);
    const checked = await runCli(['lab', LAB, 'check', 'nvme0', 'nvme1']);
    expect(checked.stdout).toMatch(
      /^ {2}expected {2}write 3\.40 GB\/s p2p, \d\.\d\d GB\/s bounced; read 2\.80 GB\/s p2p, \d\.\d\d GB\/s bounced/m,
    );
    const json = await runCli(['lab', LAB, 'check', 'nvme0', 'nvme1', '--json']);
    expect(JSON.parse(json.stdout).predictions).toMatchObject([{ write: { goodputGBs: 3.4 } }]);
  });

  it('works on a snapshot, and says what is assumed there', async () => {
    const snapshot = exampleLab('eideticom').replace('eideticom.yaml', 'two-switches.tar.gz');
    const { status, stdout } = await runCli(['-m', snapshot, 'predict', 'nvme0', 'eth0']);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^ {2}platform +\S+ \((?:calibrated|derived|assumed)\): /m);
    expect(stdout).toMatch(/Gen1 x1 link/);
  });

  it('refuses names that are not there in one line', async () => {
    await expectRefusal(['lab', LAB, 'predict', 'nvme0', 'nvme9'], 'TOPO_UNKNOWN_NAME');
  });
});
