/**
 * Runs in the guest of live-check.test.ts: asks the built command line about the machine it runs on, asks the kernel, does what
 * `peerlane fix` prints, and keeps everything that was said. Judges nothing.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { cli, keep, peerlane, sh } from './copy-driver.mjs';

const repository = process.env.REPOSITORY;
const out = `${process.env.LAB}/out`;
const { readSysfs } = await import(`${repository}dist/topology/index.js`);
const { liveTree } = await import(`${repository}dist/linux/index.js`);

/** Opening it asks the kernel anew. */
const kernelVerdicts = () => readFileSync('/proc/peerlane_verdicts', 'utf8');

/** Every field, config space included. JSON has no undefined, which here is a statement. */
const plain = (_, value) =>
  value === undefined
    ? '<undefined>'
    : value instanceof Uint8Array
      ? Buffer.from(value).toString('hex')
      : value;

const machine = readSysfs(liveTree(), { kind: 'live', label: 'live' });
writeFileSync(`${out}/machine.json`, JSON.stringify(machine, plain));

// As a process of its own, as people run it; the others in this one.
keep('matrix', sh(`node ${peerlane} matrix --all --json > ${out}/matrix.json`));
await cli('topo', 'topo', '--json');
await cli('snapshot', 'snapshot', '-o', `${out}/snapshot.tar.gz`);
await cli('snapshot-kept', 'snapshot', '--keep-identities', '-o', `${out}/kept.tar.gz`);
keep('by-hand', sh(`cd ${out} && bash ${process.env.LAB}/by-hand.sh`));
const withAcs = machine.functions.filter(({ acs }) => acs !== null).map(({ bdf }) => bdf);
keep('setpci', {
  withAcs,
  words: sh(`setpci ${withAcs.map((bdf) => `-s ${bdf} ECAP_ACS+6.w`).join(' ')}`),
});
keep('kernel.tsv', kernelVerdicts());

const { verdicts } = JSON.parse(readFileSync(`${out}/matrix.json`, 'utf8'));

/** One pair for each of the first sets of functions that stand in a way, those with most members first. */
const blocked = new Map();
for (const { provider, client, usable, common, redirects } of verdicts) {
  if (usable === false && common !== null && provider !== client && redirects.length > 0) {
    const key = redirects.toSorted().join();
    if (!blocked.has(key)) {
      blocked.set(key, { provider, client, count: redirects.length });
    }
  }
}
const FIXES_MAX = 3;
const chosen = [...blocked.values()].sort((a, b) => b.count - a.count).slice(0, FIXES_MAX);

/** A pair of each map type, and a provider with several clients. */
const examples = ['bus-addr', 'not-supported', 'thru-host-bridge'].flatMap(
  (type) => verdicts.find(({ mapType, provider, client }) => mapType === type && provider !== client) ?? [],
);
keep('checked', examples);
for (const [i, { provider, client }] of examples.entries()) {
  await cli(`check-${i}`, 'check', provider, client, '--json');
}
const [{ provider }] = chosen;
const clients = verdicts.filter((verdict) => verdict.provider === provider).map(({ client }) => client);
await cli('check-many', 'check', provider, ...clients, '--json');
await cli('show', 'show', provider, '--json');
await cli('show-text', 'show', provider);

const fixes = [];
for (const { provider, client } of chosen) {
  const ask = async () => {
    const [verdict] = JSON.parse((await cli('scratch', 'check', provider, client, '--json')).out).verdicts;
    return { verdict, kernel: kernelVerdicts() };
  };
  const plan = JSON.parse((await cli('scratch', 'fix', provider, client, '--json')).out);
  const applied = plan.changes.map(({ command }) => sh(command));
  const after = await ask();
  const undone = plan.changes.map(({ undo }) => sh(undo));
  fixes.push({ plan, applied, after, undone, restored: await ask() });
}
keep('fixes', fixes);
