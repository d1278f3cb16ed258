// Every lint code: options and a machine that give it, and the nearest ones that do not.
import { describe, expect, it } from 'vitest';
import { LINT_CODES, type LintCode, lint } from '../../src/advice/index.ts';
import {
  buildMachine,
  type FunctionSpec,
  type MachineSpec,
  switchWithTwoDrives,
} from '../support/machine-builder.ts';

const CLEAR = switchWithTwoDrives(0x11);

function findings(commandLine: string, spec: MachineSpec = CLEAR) {
  return lint(buildMachine({ ...spec, commandLine }));
}

const codes = (commandLine: string, spec?: MachineSpec) =>
  findings(commandLine, spec).map((found) => found.code);

function link(max: string, now: string): MachineSpec {
  const functions: FunctionSpec[] = CLEAR.functions.map((fn) =>
    fn.at === '03:00.0' ? { ...fn, link: { max, now } } : fn,
  );
  return { ...CLEAR, functions };
}

function withModules(live: Record<string, string>, line = ''): MachineSpec {
  return {
    ...CLEAR,
    more: {
      kernel: {
        release: '7.2.12',
        commandLine: line,
        moduleParameters: live,
        modprobeOptions:
          line === ''
            ? [
                {
                  file: 'etc/modprobe.d/nvme.conf',
                  command: 'options',
                  module: 'nvme',
                  rest: 'use_cmb_sqs=0',
                },
              ]
            : [],
      },
    },
  };
}

interface Case {
  readonly code: LintCode;
  readonly line: string;
  readonly spec?: MachineSpec;
  readonly fine: string;
  readonly fineSpec?: MachineSpec;
}

const old = { ...CLEAR, kernel: '5.10.0' };

const CASES: readonly Case[] = [
  {
    code: 'LINT_SEPARATOR',
    line: 'pci=disable_acs_redir=02:00.0,02:01.0',
    fine: 'pci=disable_acs_redir=02:00.0;02:01.0',
  },
  {
    code: 'LINT_MISSING_PREFIX',
    line: 'disable_acs_redir=02:00.0;02:01.0',
    fine: 'pci=disable_acs_redir=02:00.0;02:01.0',
  },
  {
    code: 'LINT_DEVICE_SYNTAX',
    line: 'pci=disable_acs_redir=nvme0',
    fine: 'pci=disable_acs_redir=pci:1234:5678',
    fineSpec: old,
  },
  {
    code: 'LINT_NO_SUCH_FUNCTION',
    line: 'pci=disable_acs_redir=09:00.0',
    fine: 'pci=disable_acs_redir=02:00.0',
  },
  { code: 'LINT_NO_ACS', line: 'pci=disable_acs_redir=01:00.0', fine: 'pci=disable_acs_redir=02:01.0' },
  {
    code: 'LINT_UNSUPPORTED_OPTION',
    line: 'pci=config_acs=x0x00xx@02:00.0',
    spec: old,
    fine: 'pci=config_acs=x0x00xx@02:00.0',
  },
  {
    code: 'LINT_MANGLED_OPTION',
    line: 'pci=disable_acs_redir=02:00.0',
    spec: { ...CLEAR, kernel: '6.12' },
    fine: 'pci=disable_acs_redir=02:00.0',
  },
  {
    code: 'LINT_UNVERIFIED_OPTION',
    line: 'pci=disable_acs_redir=02:00.0',
    spec: { ...CLEAR, kernel: '6.16' },
    fine: 'pci=disable_acs_redir=02:00.0',
  },
  { code: 'LINT_NOT_UPSTREAM', line: 'pcie_acs_override=downstream,multifunction', fine: 'quiet' },
  { code: 'LINT_WRONG_MODULE', line: 'nvme.multipath=N', fine: 'nvme_core.multipath=N' },
  {
    code: 'LINT_BAD_VALUE',
    line: 'amd_iommu=on',
    spec: { ...CLEAR, cpu: 'amd-zen' },
    fine: 'amd_iommu=off',
    fineSpec: { ...CLEAR, cpu: 'amd-zen' },
  },
  {
    code: 'LINT_ACS_DIFFERS',
    line: 'pci=disable_acs_redir=02:00.0',
    spec: switchWithTwoDrives(0x1d),
    fine: 'pci=disable_acs_redir=02:00.0',
  },
  {
    code: 'LINT_REPEATED_OPTION',
    line: 'pci=disable_acs_redir=02:00.0 pci=disable_acs_redir=02:01.0',
    fine: 'pci=noats pci=disable_acs_redir=02:00.0;02:01.0',
  },
  { code: 'LINT_OTHER_VENDOR', line: 'amd_iommu=off', fine: 'intel_iommu=off' },
  {
    code: 'LINT_STATE_DIFFERS',
    line: 'intel_iommu=on',
    fine: 'intel_iommu=on',
    fineSpec: { ...CLEAR, iommu: 'translated' },
  },
  {
    code: 'LINT_OPTION_NOT_LIVE',
    line: '',
    spec: withModules({ 'nvme.use_cmb_sqs': 'Y' }),
    fine: '',
    fineSpec: withModules({ 'nvme.use_cmb_sqs': 'N' }),
  },
  {
    code: 'LINT_LINK_DEGRADED',
    line: '',
    spec: link('16 x16', '16 x8'),
    fine: '',
    fineSpec: link('16 x16', '16 x16'),
  },
  { code: 'LINT_UNKNOWN_PCI_OPTION', line: 'pci=nosuch', fine: 'pci=realloc=off,noaer,nocrs' },
  { code: 'LINT_UNKNOWN_PARAMETER', line: 'nvme.nosuch=1', fine: 'nvme.poll_queues=4' },
];

describe('lint', () => {
  it('has a case for every code', () => {
    expect(CASES.map((row) => row.code).sort()).toEqual(Object.keys(LINT_CODES).sort());
  });

  it.each(CASES)('$code is found where it should be and only there', (row) => {
    const found = findings(row.line, row.spec).find((finding) => finding.code === row.code);
    expect(codes(row.line, row.spec)).toContain(row.code);
    expect(found!.severity).toBe(LINT_CODES[row.code]);
    expect(`${found!.detail} ${found!.hint}`).not.toMatch(/undefined|\[object|\n/);
    expect(codes(row.fine, row.fineSpec)).not.toContain(row.code);
  });

  it('finds nothing on a machine as it should be', () => {
    expect(findings('ro quiet pci="disable_acs_redir=0000:02:00.0;0000:02:01.0"')).toEqual([]);
  });

  it('puts errors first', () => {
    const found = findings('pci=nosuch pcie_acs_override=downstream');
    expect(found.map((finding) => finding.severity)).toEqual(['error', 'note']);
  });

  it('sees a list that a space or a quote in the wrong place has cut', () => {
    expect(codes('pci=disable_acs_redir=02:00.0; 02:01.0')).toContain('LINT_SEPARATOR');
    expect(codes('pci=disable_acs_redir="02:00.0;02:01.0"')).toContain('LINT_DEVICE_SYNTAX');
  });

  it('sees the rest of a list that stands behind a space', () => {
    expect(codes('pci=disable_acs_redir=02:00.0 ;02:01.0')).toContain('LINT_SEPARATOR');
    expect(codes('pci=disable_acs_redir=02:00.0 02:01.0;')).toContain('LINT_SEPARATOR');
  });

  it('sees options of pci= that stand alone or in quotes that the kernel does not know', () => {
    expect(codes('config_acs=x0x00xx@02:00.0')).toEqual(['LINT_MISSING_PREFIX']);
    expect(codes('pci.disable_acs_redir=02:00.0')).toEqual(['LINT_MISSING_PREFIX']);
    expect(codes("pci='disable_acs_redir=02:00.0'")).toEqual(['LINT_DEVICE_SYNTAX']);
  });

  it('lets a list end with a semicolon, as the kernel does', () => {
    expect(codes('pci=disable_acs_redir=02:00.0;')).toEqual([]);
    expect(codes('pci=disable_acs_redir=02:00.0;;02:01.0')).toEqual(['LINT_DEVICE_SYNTAX']);
  });

  it('judges nothing that stands after an element which the kernel cannot read', () => {
    const found = findings('pci=disable_acs_redir=02:00;02:00.0', switchWithTwoDrives(0x1d));
    expect(found.map((finding) => finding.code)).toEqual(['LINT_DEVICE_SYNTAX']);
    expect(found[0]!.detail).toContain('never comes to 02:00.0');
  });

  it('an id means those of its functions that have ACS', () => {
    expect(codes('pci=disable_acs_redir=pci:0:0')).toEqual([]);
    expect(codes('pci=disable_acs_redir=pci:1234:5678', switchWithTwoDrives(null))).toEqual(['LINT_NO_ACS']);
  });

  it('knows how passthrough is asked for', () => {
    expect(codes('intel_iommu=on,pt', { ...CLEAR, iommu: 'translated' })).toContain('LINT_BAD_VALUE');
    expect(codes('amd_iommu=pt', { ...CLEAR, cpu: 'amd-zen' })).toContain('LINT_BAD_VALUE');
    for (const line of ['iommu=pt,noforce', 'iommu.passthrough=on']) {
      expect(codes(line, { ...CLEAR, iommu: 'translated' })).toEqual(['LINT_STATE_DIFFERS']);
      expect(codes(line, { ...CLEAR, iommu: 'passthrough' })).toEqual([]);
    }
  });

  it('compares what config_acs asks for bit by bit', () => {
    expect(codes('pci=config_acs=x0100x1@02:00.0')).toEqual([]);
    expect(codes('pci=config_acs=xxxx1xx@02:00.0')).toEqual(['LINT_ACS_DIFFERS']);
  });

  it('says nothing of what it cannot see', () => {
    expect(codes('pci=disable_acs_redir=02:00.0', switchWithTwoDrives(undefined))).toEqual([]);
    expect(lint(buildMachine({ ...CLEAR, more: { kernel: {} } }))).toEqual([]);
  });
});
