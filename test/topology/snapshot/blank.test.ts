import { describe, expect, it } from 'vitest';
import {
  blankedCommandLine,
  blankedVersion,
  NameBlanker,
  withoutSerialNumber,
} from '../../../src/topology/snapshot/blank.ts';

describe('the command line of a snapshot', () => {
  it('keeps what a verdict may ask for', () => {
    const line =
      'ro quiet pci=disable_acs_redir=0000:00:1c.0;0000:00:1d.0 iommu=pt intel_iommu=on nvme_core.multipath=N';
    expect(blankedCommandLine(`${line}\n`)).toBe(line);
    expect(blankedCommandLine('vfio-pci.ids=10de:2330 vfio_pci.ids=10de:2330')).toContain(
      '10de:2330 vfio_pci.ids=10de',
    );
    expect(blankedCommandLine('iommu.passthrough=1 amd_iommu=on mem=64G')).not.toContain('blanked');
  });

  it('blanks the values of everything else, and keeps the names', () => {
    expect(
      blankedCommandLine('root=UUID=1234-abcd ip=10.0.0.7::10.0.0.1 systemd.hostname=db7 pci_secret=1'),
    ).toBe('root=<blanked> ip=<blanked> systemd.hostname=<blanked> pci_secret=<blanked>');
    expect(blankedCommandLine('BOOT_IMAGE=/vmlinuz-6.8 cryptkey="my secret words" "dyndbg=file a +p"')).toBe(
      'BOOT_IMAGE=<blanked> cryptkey=<blanked> dyndbg=<blanked>',
    );
  });

  it('keeps quoted values of harmless parameters whole', () => {
    expect(blankedCommandLine('pci="disable_acs_redir=0000:00:1c.0 x" quiet')).toBe(
      'pci="disable_acs_redir=0000:00:1c.0 x" quiet',
    );
  });

  it('drops what is meant for init', () => {
    expect(blankedCommandLine('quiet -- --token abc')).toBe('quiet -- <blanked>');
  });

  it('blanks words that look like data', () => {
    expect(blankedCommandLine('splash hunter2!xyz 00:11:22:33:44:55 noapic')).toBe(
      'splash <blanked> <blanked> noapic',
    );
    expect(blankedCommandLine('   ')).toBe('');
  });
});

describe('names and versions', () => {
  it('lose who built the kernel', () => {
    const text = 'Linux version 6.8.0-50-generic (buildd@lcy02-amd64-1) (gcc 13) #51-Ubuntu SMP Sat Nov 9';
    expect(blankedVersion(text)).toBe('Linux version 6.8.0-50-generic (<blanked>)');
    expect(blankedVersion('odd text with a host name')).toBe('<blanked>');
  });

  it('lose MAC addresses, and stay different', () => {
    const names = new NameBlanker();
    expect(names.blank('enx001122334455')).toBe('enx-blanked-1');
    expect(names.blank('wlxaabbccddeeff')).toBe('wlx-blanked-2');
    expect(names.blank('enx001122334455')).toBe('enx-blanked-1');
    expect(names.blank('ibx506b4b0300c2d1a0')).toBe('ibx-blanked-3');
    expect(names.blank('enp3s0f0np0')).toBe('enp3s0f0np0');
  });
});

describe('config space', () => {
  /** An extended capability list: AER at 100h, Device Serial Number at 140h. */
  function withSerial(): Uint8Array {
    const config = new Uint8Array(4096);
    config.set([0x86, 0x80, 0x34, 0x12, 0x06, 0x00, 0x10, 0x00]);
    config[0x34] = 0x40;
    config.set([0x10, 0x00, 0x02, 0x00], 0x40);
    config.set([0x01, 0x00, 0x02, 0x14], 0x100);
    config.set([0x03, 0x00, 0x01, 0x00, 1, 2, 3, 4, 5, 6, 7, 8, 0xaa], 0x140);
    return config;
  }

  it('loses the serial number and nothing else', () => {
    const config = withSerial();
    const blanked = withoutSerialNumber(config);
    expect([...blanked.subarray(0x140, 0x14e)]).toEqual([3, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xaa, 0]);
    blanked.set([1, 2, 3, 4, 5, 6, 7, 8], 0x144);
    expect(blanked).toEqual(config);
  });

  it('is not touched where there is none', () => {
    const config = withSerial();
    config[0x140] = 4;
    expect(withoutSerialNumber(config)).toBe(config);
    expect(withoutSerialNumber(new Uint8Array(64))).toHaveLength(64);
    expect(withoutSerialNumber(new Uint8Array(0))).toHaveLength(0);
  });
});
