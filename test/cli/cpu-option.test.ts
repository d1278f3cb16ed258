/** `--cpu`: who knows the processor may say so, and every answer shows that it was said. */
import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/index.ts';
import { withCpuOption } from '../../src/cli/cpu-option.ts';
import { type Machine, readLspci } from '../../src/topology/index.ts';
import { golden, scratchFolder } from './inputs.ts';
import { expectRefusal } from './refusal.ts';
import { runCli, runJson } from './run-cli.ts';

/** A host bridge that no list has, and two drives below ports of their own: only the CPU can let them through. */
const TEXT = [
  '00:00.0 Host bridge [0600]: Vendor [1234:0001]',
  ...port('01', '01'),
  ...port('02', '02'),
].join('\n');

function port(device: string, bus: string): string[] {
  return [
    `00:${device}.0 PCI bridge [0604]: Vendor [1234:0002] (prog-if 00 [Normal decode])`,
    `\tBus: primary=00, secondary=${bus}, subordinate=${bus}, sec-latency=0`,
    `${bus}:00.0 Non-Volatile memory controller [0108]: Vendor [1234:0003] (prog-if 02 [NVM Express])`,
  ];
}

const LSPCI = scratchFolder().path('lspci.txt');
writeFileSync(LSPCI, `${TEXT}\n`);
const DRIVES = ['01:00.0', '02:00.0'];

const machine = readLspci(TEXT, 'test');
const cpuOf = (text: string, from: Machine = machine) => withCpuOption(from, text).cpu;

describe('what --cpu takes', () => {
  it.each<[string, object]>([
    ['intel', { vendor: 'intel', family: undefined, model: undefined, architecture: 'x86' }],
    ['amd:0x17', { vendor: 'amd', family: 0x17, model: undefined, architecture: 'x86' }],
    ['amd:23:49', { vendor: 'amd', family: 23, model: 49, architecture: 'x86' }],
    ['AMD:19h:0x11', { vendor: 'amd', family: 0x19, model: 0x11, architecture: 'x86' }],
    ['hygon:24', { vendor: 'hygon', family: 24, architecture: 'x86' }],
    ['ampere', { vendor: 'ampere', architecture: 'arm64' }],
    ['ibm', { vendor: 'ibm', architecture: undefined }],
  ])('%s', (text, cpu) => {
    expect(cpuOf(text)).toMatchObject(cpu);
  });

  it.each([
    '',
    'xeon',
    'toString',
    'amd:',
    'amd:zen',
    'amd:-1',
    'amd:1e3',
    'amd:0x',
    'amd:0x19:',
    'amd:0x19:256',
    'intel:271',
    'amd:23:49:1',
    'ampere:8',
  ])('not %j', (text) => {
    expect(() => cpuOf(text)).toThrow(UsageError);
    expect(() => cpuOf(text)).toThrow(expect.objectContaining({ code: 'USAGE_CPU', exitStatus: 2 }));
  });

  it('asks back where AMD’s 17h was meant and 17 was typed', async () => {
    await expectRefusal(['-m', LSPCI, 'matrix', '--cpu', 'amd:17'], '[USAGE_CPU]', 'amd:0x17');
  });

  it.each(['matrix', 'check', 'fix', 'diff'])('%s refuses what is no processor', async (command) => {
    const args = command === 'matrix' ? [] : command === 'diff' ? [LSPCI, LSPCI] : DRIVES;
    const where = command === 'diff' ? [] : ['-m', LSPCI];
    await expectRefusal(
      [...where, command, ...args, '--cpu', 'xeon'],
      '[USAGE_CPU]',
      '--cpu xeon',
      'intel, amd',
    );
  });
});

describe('what --cpu does', () => {
  it('takes the place of what the input says, and says so where the vendors differ', () => {
    const zen = { ...machine, cpu: { ...cpuOf('amd:0x19'), name: 'AMD EPYC', sockets: 2 } };
    const given = withCpuOption(zen, 'intel:6:0x6a');
    expect(given.cpu).toMatchObject({ vendor: 'intel', family: 6, model: 0x6a, name: undefined, sockets: 2 });
    expect(given.findings.map((finding) => finding.code)).toEqual(['CPU_GIVEN_DISAGREES']);
    expect(given.given).toEqual(['cpu']);
  });

  it('takes nothing away when only the known vendor is given', () => {
    const zen = { ...machine, cpu: { ...cpuOf('amd:0x19'), name: 'AMD EPYC' } };
    expect(cpuOf('amd', zen)).toEqual(zen.cpu);
    expect(withCpuOption(zen, 'amd:0x17').cpu).toMatchObject({ family: 0x17, name: undefined });
  });

  it('changes nothing when it is not there', () => {
    expect(withCpuOption(machine, undefined)).toBe(machine);
    expect(machine.gaps.map((gap) => gap.what)).toContain('cpu');
    expect(withCpuOption(machine, 'intel').gaps.map((gap) => gap.what)).not.toContain('cpu');
  });

  it.each<[string[], string, number]>([
    [[], 'unknown', 1],
    [['--cpu', 'amd'], 'unknown', 1],
    [['--cpu', 'amd:0x19'], 'usable', 0],
    [['--cpu', 'amd:0x15'], 'not supported', 1],
    [['--cpu', 'intel'], 'not supported', 1],
    [['--cpu', 'hygon:24'], 'not supported', 1],
  ])('check with %j: %s', async (option, answer, status) => {
    const result = await runCli(['-m', LSPCI, 'check', ...DRIVES, '--kernel', '6.12', ...option]);
    expect(result.stdout).toMatch(new RegExp(`^  kernel +${answer}`, 'm'));
    expect(result.status).toBe(status);
  });

  it('is in the head line and in JSON', async () => {
    const { stdout } = await runCli(['-m', LSPCI, 'matrix', '--cpu', 'amd:0x19']);
    expect(stdout.split('\n')[0]).toContain('amd family 0x19 CPU (as given with --cpu)');
    type Document = { machine: { cpu: object; given: string[] } };
    const given = await runJson<Document>(['-m', LSPCI, 'matrix', '--cpu', 'amd:0x19']);
    expect(given.machine).toMatchObject({ cpu: { vendor: 'amd', family: 0x19 }, given: ['cpu'] });
    const found = await runJson<Document>(['-m', LSPCI, 'matrix']);
    expect(found.machine.given).toEqual([]);
    const plan = await runJson<Document>(['-m', LSPCI, 'fix', ...DRIVES, '--cpu', 'intel']);
    expect(plan.machine).toMatchObject({ cpu: { vendor: 'intel' }, given: ['cpu'] });
  });

  it('judges both machines of a diff', async () => {
    const args = ['diff', golden('0006'), golden('0006'), '--cpu', 'intel'];
    expect(await runCli(args)).toMatchObject({ status: 0, stdout: 'no difference\n' });
    expect(await runJson(args)).toMatchObject({ given: ['cpu'] });
  });
});
