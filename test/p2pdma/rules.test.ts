import { describe, expect, it } from 'vitest';
import {
  lacksOption,
  NEWEST_KNOWN_RELEASE,
  parseKernelVersion,
  RULE_INTERVALS,
  rulesFor,
  rulesForMachine,
} from '../../src/p2pdma/index.ts';
import { makeMachine, oneSwitch } from './support/build-machine.ts';

function intervalNames(release: string | undefined): string[] {
  return rulesFor(release).intervals.map((interval) => interval.name);
}

function ids(release: string): string[] {
  const [interval] = rulesFor(release).intervals;
  return interval!.hostBridges.map(
    (entry) =>
      `${entry.vendorId.toString(16)}:${entry.deviceId?.toString(16).padStart(4, '0') ?? 'any'}${entry.needsSameHostBridge ? ' R' : ''}`,
  );
}

describe('rulesFor', () => {
  it('gives one set of rules, without doubt, for a release that was read', () => {
    expect(rulesFor('7.2.12')).toMatchObject({ id: 'linux-7.2', unverified: null, release: '7.2.12' });
    expect(intervalNames('7.2.12')).toEqual(['7.1.3..7.2.12']);
  });

  it('gives the same for a release between two that were read and agree', () => {
    for (const release of ['5.1.0', '6.4.3', '6.15.0', '6.16.2', '7.2.1']) {
      const rules = rulesFor(release);
      if (release === '5.1.0') {
        expect(rules.unverified, release).toBe('gap');
      } else {
        expect(rules.unverified, release).toBeNull();
        expect(rules.intervals, release).toHaveLength(1);
      }
    }
  });

  it.each([
    ['5.1.3', ['4.20..5.0', '5.2.1..5.3.1']],
    ['5.5.7', ['5.4', '5.6.4']],
    ['5.13.0', ['5.9.1..5.12.9', '5.14-rc5..5.17-rc5']],
    ['5.18.2', ['5.14-rc5..5.17-rc5', '5.19..7.0']],
    ['7.3.1', ['7.1.3..7.2.12', '7.3.4']],
    ['7.2.40', ['7.1.3..7.2.12', '7.3.4']],
  ])('consults both neighbours for %s', (release, names) => {
    expect(intervalNames(release)).toEqual(names);
    expect(rulesFor(release).unverified).toBe('gap');
  });

  it('knows the backport in 5.10.198: certain from there on, possible before, absent in 5.10.0', () => {
    expect(intervalNames('5.10.0')).toEqual(['5.9.1..5.12.9']);
    expect(intervalNames('5.10.60')).toEqual(['5.9.1..5.12.9', '5.10.198']);
    expect(intervalNames('5.10.198')).toEqual(['5.10.198']);
    expect(intervalNames('5.10.250')).toEqual(['5.10.198']);
    expect(intervalNames('5.11.1')).toEqual(['5.9.1..5.12.9']);
  });

  it('takes a series to be what was read of it', () => {
    expect(intervalNames('7.3')).toEqual(['7.3.4']);
    expect(intervalNames('5.4')).toEqual(['5.4']);
    expect(intervalNames('7.1')).toEqual(['7.1-mergewindow..7.1.2', '7.1.3..7.2.12']);
    expect(intervalNames('5.10')).toEqual(['5.9.1..5.12.9', '5.10.198']);
    expect(rulesFor('7.2')).toMatchObject({ id: 'linux-7.2', unverified: null });
  });

  it('does not take a candidate that was read for its release, however the release is written', () => {
    const both = ['5.14-rc5..5.17-rc5', '5.19..7.0'];
    for (const release of ['5.17', '5.17.0', '5.17.3']) {
      expect(intervalNames(release), release).toEqual(both);
      expect(rulesFor(release).unverified, release).toBe('gap');
    }
    for (const release of ['5.17-rc5', '5.17.0-rc5', '5.14-rc5', '5.14', '5.14.0']) {
      expect(intervalNames(release), release).toEqual(['5.14-rc5..5.17-rc5']);
    }
    expect(intervalNames('7.1-mergewindow')).toEqual(['7.1-mergewindow..7.1.2']);
  });

  it('uses the newest rules, and says so, without a version and beyond the newest', () => {
    for (const release of [undefined, '', 'no release at all']) {
      expect(rulesFor(release)).toMatchObject({
        id: 'linux-7.3',
        unverified: 'no-version',
        version: undefined,
      });
    }
    expect(rulesFor('7.3.5')).toMatchObject({ id: 'linux-7.3', unverified: 'newer-than-known' });
    expect(rulesFor('9.0.1-fc')).toMatchObject({ id: 'linux-7.3', unverified: 'newer-than-known' });
    expect(intervalNames('9.0.1')).toEqual(['7.3.4']);
    expect(NEWEST_KNOWN_RELEASE).toBe('7.3.4');
  });

  it('marks a distribution kernel, whose rules are those of its numbers', () => {
    expect(rulesFor('7.2.12+deb13-amd64')).toMatchObject({ id: 'linux-7.2', unverified: 'vendor-kernel' });
    expect(intervalNames('5.15.0-91-generic')).toEqual(['5.14-rc5..5.17-rc5']);
  });

  it('has no p2pdma before 4.20', () => {
    for (const release of ['4.19.300', '3.10.0-1160.el7.x86_64', '4.18.0-553.el8_10.x86_64', '2.6.32']) {
      expect(
        rulesFor(release).intervals.map((interval) => interval.hasP2pdma),
        release,
      ).toEqual([false]);
    }
    expect(rulesFor('4.20.0').intervals[0]!.hasP2pdma).toBe(true);
  });

  it('takes a parsed version as well as a text', () => {
    expect(rulesFor(parseKernelVersion('6.12.5'))).toEqual(rulesFor('6.12.5'));
  });
});

describe('the host bridge list', () => {
  it('is the one of p2pdma.md 2.6 in every interval', () => {
    const e5 = ['8086:3c00 R', '8086:3c01 R', '8086:2f00 R', '8086:2f01 R'];
    const skylake = ['8086:2030', '8086:2020'];
    const ports = ['8086:2031', '8086:2032', '8086:2033'];
    const accelerators = ['0b25', '0cfe', '11fb', '1212', '1216', '4940', '4942', '4944', '4946', '4948'];
    const modern = [...e5, ...skylake, ...ports];
    expect(ids('5.0.0')).toEqual([]);
    expect(ids('5.3.1')).toEqual(['1022:1450']);
    expect(ids('5.4.0')).toEqual(['1022:1450', ...e5]);
    expect(ids('5.6.4')).toEqual(['1022:1450', ...e5, ...skylake]);
    expect(ids('5.7.14')).toEqual(['1022:1450', ...modern]);
    expect(ids('5.8.1')).toEqual(['1022:1450', ...modern, '1022:15d0', '1022:1630']);
    expect(ids('5.16.10')).toEqual(modern);
    expect(ids('6.19.10')).toEqual([...modern, '8086:09a2']);
    expect(ids('7.1.2')).toEqual([...modern, '8086:09a2', '1ae0:any']);
    const of72 = [...modern, '8086:09a2', ...accelerators.map((id) => `8086:${id}`), '1ae0:any'];
    expect(ids('7.2.12')).toEqual(of72);
    expect(ids('7.3.4')).toEqual([...of72, '10de:2f95', '10de:2f96', '10de:2f97', '10de:2f98']);
  });

  it('names no id twice, so that its order decides nothing', () => {
    for (const interval of RULE_INTERVALS) {
      const keys = interval.hostBridges.map((entry) => `${entry.vendorId}:${entry.deviceId}`);
      expect(new Set(keys).size).toBe(keys.length);
    }
  });
});

describe('rulesForMachine and lacksOption', () => {
  const machine = makeMachine({
    functions: oneSwitch(),
    kernel: { release: '7.2.12', config: { CONFIG_PCI_P2PDMA: 'n' } },
  });

  it('take the version of the machine unless a person names another', () => {
    expect(rulesForMachine(machine).id).toBe('linux-7.2');
    expect(rulesForMachine(machine, '5.4').id).toBe('linux-5.4');
  });

  it('know of the build option only for the machine’s own kernel', () => {
    expect(lacksOption(machine, rulesForMachine(machine))).toBe(true);
    expect(lacksOption(machine, rulesFor('7.3.4'))).toBeUndefined();
    const built = { ...machine, kernel: { ...machine.kernel, config: { CONFIG_PCI_P2PDMA: 'y' } } };
    expect(lacksOption(built, rulesForMachine(built))).toBe(false);
    const unread = { ...machine, kernel: { ...machine.kernel, config: undefined } };
    expect(lacksOption(unread, rulesForMachine(unread))).toBeUndefined();
  });
});
