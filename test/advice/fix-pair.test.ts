import { describe, expect, it } from 'vitest';
import { type FixPlan, fixPair } from '../../src/advice/index.ts';
import { rulesFor } from '../../src/p2pdma/index.ts';
import { bdf, buildIndex, type MachineSpec, switchWithTwoDrives } from '../support/machine-builder.ts';

function plan(spec: MachineSpec, kernel: string | undefined = spec.kernel ?? '7.2.12'): FixPlan {
  return fixPair(buildIndex(spec), rulesFor(kernel), bdf('03:00.0'), bdf('04:00.0'));
}

const redirecting = switchWithTwoDrives(0x1d, { rootAcs: 0x1d, iommu: 'translated' });
const recommended = (found: FixPlan) => found.persistent.find((form) => form.isRecommended)!;

describe('a fix', () => {
  it('changes exactly the ports that redirect, and of them only RR, CR and EC as far as they are set', () => {
    expect(plan(redirecting).changes).toEqual([
      {
        at: '0000:02:00.0',
        before: 0x1d,
        after: 0x11,
        mask: 0x0c,
        command: 'setpci -s 0000:02:00.0 ECAP_ACS+0x6.w=0:c',
        undo: 'setpci -s 0000:02:00.0 ECAP_ACS+0x6.w=c:c',
      },
      {
        at: '0000:02:01.0',
        before: 0x1d,
        after: 0x11,
        mask: 0x0c,
        command: 'setpci -s 0000:02:01.0 ECAP_ACS+0x6.w=0:c',
        undo: 'setpci -s 0000:02:01.0 ECAP_ACS+0x6.w=c:c',
      },
    ]);
  });

  it('is judged: before not supported, after direct', () => {
    const found = plan(redirecting);
    expect(found.status).toBe('acs');
    expect(found.verdictBefore.mapType).toBe('not-supported');
    expect(found.verdictAfter).toMatchObject({ mapType: 'bus-addr', distance: 4, usable: true });
    expect(found.remaining).toEqual([]);
  });

  it('clears egress control as well where it is set', () => {
    const found = plan(switchWithTwoDrives(0x2c));
    expect(found.changes[0]!.command).toBe('setpci -s 0000:02:00.0 ECAP_ACS+0x6.w=0:2c');
  });

  it('makes a pair direct that works through the host bridge of a Zen', () => {
    const found = plan({ ...redirecting, cpu: 'amd-zen' });
    expect([found.status, found.verdictBefore.mapType, found.verdictAfter!.mapType]).toEqual([
      'acs-faster',
      'thru-host-bridge',
      'bus-addr',
    ]);
  });

  it('has nothing to do where the pair is direct already', () => {
    const found = plan(switchWithTwoDrives(null));
    expect([found.status, found.changes, found.persistent, found.cost]).toEqual([
      'nothing-to-do',
      [],
      [],
      null,
    ]);
  });

  it('does not pretend that ACS helps where only the host bridge decides', () => {
    const found = plan({
      functions: [
        { at: '00:00.0', kind: 'host-bridge', id: '8086:09a2' },
        { at: '00:01.0', kind: 'root-port', acs: 0x1d },
        { at: '03:00.0', kind: 'nvme', under: '00:01.0' },
        { at: '00:02.0', kind: 'root-port', acs: 0x1d },
        { at: '04:00.0', kind: 'nvme', under: '00:02.0' },
      ],
      kernel: '5.4',
    });
    expect([found.status, found.changes, found.verdictAfter]).toEqual(['other', [], null]);
    expect(found.alternatives.map((alternative) => alternative.what)).toContain(
      'Linux 5.19 and later accept this pair as it stands',
    );
  });

  /** One drive below a switch with free ports, the other below a root port; ACS words of the drive's port and the free ones. */
  const withFreePorts = (
    occupied: number | null | undefined,
    ...free: (number | null | undefined)[]
  ): MachineSpec => ({
    functions: [
      { at: '00:00.0', kind: 'host-bridge', id: '8086:4c43' },
      { at: '00:01.0', kind: 'root-port' },
      { at: '01:00.0', kind: 'switch-upstream', under: '00:01.0' },
      { at: '02:00.0', kind: 'switch-downstream', under: '01:00.0', acs: occupied },
      ...free.map((acs, i) => ({
        at: `02:0${i + 1}.0`,
        kind: 'switch-downstream' as const,
        under: '01:00.0',
        acs,
      })),
      { at: '03:00.0', kind: 'nvme', under: '02:00.0' },
      { at: '00:02.0', kind: 'root-port' },
      { at: '04:00.0', kind: 'nvme', under: '00:02.0' },
    ],
  });
  const slotAdvice = (...words: Parameters<typeof withFreePorts>) =>
    plan(withFreePorts(...words)).alternatives.filter((one) => one.what.includes('hangs off a switch'));

  it('points to free ports of a switch that one of the two hangs off', () => {
    const found = plan(withFreePorts(null, null));
    expect(found.alternatives.map((alternative) => alternative.how)).toContain(
      'move 0000:04:00.0 there: below one switch the host bridge is not asked',
    );
    expect(found.alternatives.some((alternative) => alternative.what.includes('0000:02:01.0'))).toBe(true);
  });

  it('leaves out free ports that redirect, or might, where another one does not', () => {
    const [advice, ...more] = slotAdvice(0x11, 0x1d, 0x11, undefined, null);
    expect(more).toEqual([]);
    expect(advice!.what).toBe('0000:03:00.0 hangs off a switch with free ports (0000:02:02.0, 0000:02:04.0)');
  });

  it('says that a free port, or the one that the card stays below, redirects', () => {
    const [freeOne] = slotAdvice(0x11, 0x1d);
    expect(freeOne!.what).toContain('but 0000:02:01.0 would redirect there');
    expect(freeOne!.how).toContain('only with those redirects cleared');
    const [occupied] = slotAdvice(0x1d, 0x11);
    expect(occupied!.what).toContain('but 0000:02:00.0 would redirect there');
    const [both] = slotAdvice(0x1d, 0x1d);
    expect(both!.what).toContain('0000:02:00.0 and 0000:02:01.0 would redirect');
  });

  it('says that whether a free port redirects is not known', () => {
    const [advice] = slotAdvice(0x11, undefined);
    expect(advice!.what).toContain('whether 0000:02:01.0 would redirect there is not known');
    expect(advice!.how).toContain('as root');
  });

  it('says so when blocking reasons remain after it', () => {
    const functions = redirecting.functions.map((fn) =>
      fn.at === '04:00.0' ? { ...fn, more: { ...fn.more, command: 0x0402 } } : fn,
    );
    const found = plan({ ...redirecting, functions });
    expect(found.remaining.map((reason) => reason.code)).toEqual(expect.arrayContaining(['BUS_MASTER_OFF']));
    expect(found.summary).toMatch(/blocking reasons? remain/);
  });

  it('advises nothing while the verdict is open', () => {
    expect(plan(switchWithTwoDrives(undefined))).toMatchObject({ status: 'unknown', changes: [] });
  });
});

describe('the persistent form', () => {
  it.each([
    ['5.10.0', 'disable_acs_redir'],
    ['6.10', 'disable_acs_redir'],
    ['6.12', 'service'],
    ['6.16', 'service'],
    ['6.17', 'config_acs'],
    ['7.3.4', 'config_acs'],
  ])('for Linux %s is %s', (kernel, kind) => {
    const found = plan({ ...redirecting, kernel });
    expect(recommended(found).kind).toBe(kind);
    expect(found.persistent[0]).toBe(recommended(found));
    expect(found.persistent.filter((form) => form.isRecommended)).toHaveLength(1);
  });

  it('without a version is the one that works everywhere', () => {
    expect(recommended(plan({ ...redirecting, more: { kernel: {} } }, '')).kind).toBe('service');
  });

  it('says which ones are mangled or missing', () => {
    const state = (kernel: string) =>
      Object.fromEntries(plan({ ...redirecting, kernel }).persistent.map((form) => [form.kind, form.state]));
    expect(state('6.12')).toEqual({ disable_acs_redir: 'mangled', config_acs: 'mangled', service: 'works' });
    expect(state('5.10.0')).toEqual({ disable_acs_redir: 'works', config_acs: 'absent', service: 'works' });
    expect(state('6.16')).toEqual({ disable_acs_redir: 'unknown', config_acs: 'unknown', service: 'works' });
  });

  it('of config_acs keeps the bits that stay and clears the redirects', () => {
    expect(recommended(plan(redirecting)).text).toBe(
      'pci="config_acs=x0100x1@0000:02:00.0;x0100x1@0000:02:01.0"',
    );
  });

  it('survives GRUB, grubby and systemd-boot', () => {
    const [grub, grubby, systemd] = recommended(plan({ ...redirecting, kernel: '5.10.0' })).loaders;
    const parameter = 'pci="disable_acs_redir=0000:02:00.0;0000:02:01.0"';
    expect(grub!.line).toBe(
      'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX pci=\\"disable_acs_redir=0000:02:00.0;0000:02:01.0\\""',
    );
    expect(grubby!.commands[0]).toBe(`grubby --update-kernel=ALL --args='${parameter}'`);
    expect(systemd!.line).toBe(parameter);
  });

  it('takes over what the command line names already, since the kernel keeps the last option only', () => {
    const found = plan({
      ...redirecting,
      kernel: '5.10.0',
      commandLine: 'quiet pci="disable_acs_redir=02:00.0;pci:8086:3420"',
    });
    expect(recommended(found).text).toBe('pci="disable_acs_redir=pci:8086:3420;0000:02:00.0;0000:02:01.0"');
    expect(recommended(found).notes.join()).toContain('take the old one out');
  });
});

describe('the persistent form', () => {
  it('names its own ports first: of two elements that mean one port the first decides', () => {
    const found = plan({
      ...redirecting,
      commandLine: 'pci="config_acs=xx111x1@pci:1234:5678"',
    });
    expect(recommended(found).text).toBe(
      'pci="config_acs=x0100x1@0000:02:00.0;x0100x1@0000:02:01.0;xx111x1@pci:1234:5678"',
    );
  });

  it('has no boot loader steps where the kernel mangles it, and says where the version is newer than what was read', () => {
    const forms = (kernel: string) =>
      plan({ ...redirecting, kernel }).persistent.filter((form) => form.kind !== 'service');
    expect(forms('6.12').map((form) => [form.state, form.loaders.length])).toEqual([
      ['mangled', 0],
      ['mangled', 0],
    ]);
    expect(forms('7.9.1')[0]!.notes.join()).toContain('this version is newer');
    expect(forms('7.2.12')[0]!.notes.join()).not.toContain('this version is newer');
  });

  it('says from 7.0 on that a port without a driver may not get it', () => {
    const notes = (kernel: string, driver: string | null) => {
      const functions = redirecting.functions.map((fn) => ({ ...fn, more: { ...fn.more, driver } }));
      return recommended(plan({ ...redirecting, functions, kernel })).notes.join();
    };
    expect(notes('7.2.12', null)).toContain('no driver is bound to 0000:02:00.0, 0000:02:01.0');
    expect(notes('7.2.12', 'pcieport')).not.toContain('no driver is bound');
    expect(notes('6.18.2', null)).not.toContain('no driver is bound');
  });
});

describe('the cost', () => {
  it('names the groups that merge, and that groups do not change before the next boot', () => {
    const functions = redirecting.functions.map((fn, i) => ({
      ...fn,
      more: { ...fn.more, iommuGroup: String(10 + i) },
    }));
    const { cost } = plan({ ...redirecting, functions });
    expect(cost!.merges).toEqual([
      {
        groups: ['13', '14', '15', '16'],
        functions: ['0000:02:00.0', '0000:02:01.0', '0000:03:00.0', '0000:04:00.0'],
      },
    ]);
    expect(cost!.lines.join('\n')).toMatch(/do not change until the next boot/);
  });

  it('is nothing without an IOMMU', () => {
    const { cost } = plan({ ...redirecting, iommu: 'off' });
    expect(cost!.merges).toEqual([]);
    expect(cost!.lines.join()).toContain('no IOMMU');
  });
});
