import { describe, expect, it } from 'vitest';
import { readConfig, writeConfig } from '../../../../src/orchestrators/nvmet/index.ts';

/** As nvmetcli saveconfig writes it: made by hand after its dump functions. */
const SAVED = {
  hosts: [{ nqn: 'nqn.2014-08.org.nvmexpress:uuid:0c468c4d-a385-47e0-8299-6e95051277db' }],
  ports: [
    {
      addr: {
        adrfam: 'ipv4',
        traddr: '192.0.2.1',
        treq: 'not specified',
        trsvcid: '4420',
        trtype: 'tcp',
        tsas: 'none',
      },
      ana_groups: [
        { ana: { state: 'optimized' }, grpid: 1 },
        { ana: { state: 'inaccessible' }, grpid: 2 },
      ],
      param: { inline_data_size: '16384', pi_enable: '0', max_queue_size: '128', newer: '3' },
      portid: 1,
      referrals: [
        {
          addr: {
            adrfam: 'ipv4',
            portid: '2',
            traddr: '198.51.100.1',
            treq: 'not required',
            trsvcid: '4420',
            trtype: 'tcp',
          },
          enable: 1,
          name: 'there',
        },
      ],
      subsystems: ['testnqn.not-here', 'nqn.2024-01.org.example:disk'].slice(1),
    },
  ],
  subsystems: [
    {
      allowed_hosts: ['nqn.2014-08.org.nvmexpress:uuid:0c468c4d-a385-47e0-8299-6e95051277db'],
      attr: {
        allow_any_host: '0',
        serial: 'abc',
        version: '1.3',
        cntlid_min: '1',
        cntlid_max: '65519',
        ieee_oui: '0x1',
      },
      namespaces: [
        {
          ana_grpid: 2,
          device: {
            nguid: '00000000-0000-0000-0000-000000000000',
            path: '/dev/nvme0n1',
            uuid: '3fd1b1a0-0000-4000-8000-000000000001',
          },
          enable: 1,
          nsid: 1,
          resv: { enable: '1' },
        },
      ],
      nqn: 'nqn.2024-01.org.example:disk',
      passthru: [],
    },
  ],
  comment: 'kept',
};

function problems(change: (config: typeof SAVED) => void): readonly string[] {
  const config = structuredClone(SAVED);
  change(config);
  try {
    readConfig(config);
    return [];
  } catch (error) {
    const { code, detail } = error as { code: string; detail: { problems: readonly string[] } };
    expect(code).toBe('TARGET_CONFIG');
    return detail.problems;
  }
}

describe('a configuration of nvmetcli', () => {
  it('is read', () => {
    const config = readConfig(SAVED);
    expect(config.ports[0]).toMatchObject({
      portId: 1,
      inlineDataSize: 16_384,
      maxQueueSize: 128,
      address: { transportType: 'tcp', transportAddress: '192.0.2.1', serviceId: '4420', specific: 'none' },
      anaGroups: [
        { groupId: 1, state: 'optimized' },
        { groupId: 2, state: 'inaccessible' },
      ],
      referrals: [{ name: 'there', portId: 2, isEnabled: true }],
    });
    expect(config.subsystems[0]).toMatchObject({
      allowAnyHost: false,
      serial: 'abc',
      cntlidMax: 65_519,
      namespaces: [
        { nsid: 1, anaGroupId: 2, isEnabled: true, hasReservations: true, device: { nguid: null } },
      ],
    });
  });

  it('is written with what nobody here knows', () => {
    const written = writeConfig(readConfig(SAVED)) as typeof SAVED;
    expect(written.comment).toBe('kept');
    expect(written.ports[0]).toEqual(SAVED.ports[0]);
    expect(written.subsystems[0]!.attr).toEqual({ ...SAVED.subsystems[0]!.attr, pi_enable: '0' });
    expect(written.subsystems[0]!.passthru).toEqual([]);
  });

  it('may say little', () => {
    const config = readConfig({
      subsystems: [{ nqn: 'nqn.a', namespaces: [{ nsid: 3, device: { path: 'x' } }] }],
      ports: [{ portid: '7', addr: { trtype: 'tcp', traddr: '::1', adrfam: 'ipv6' }, subsystems: ['nqn.a'] }],
      hosts: [{ nqn: 'nqn.h', dhchap: { key: 'DHHC-1:00:a:' } }],
    });
    expect(config.ports[0]!.anaGroups).toEqual([{ groupId: 1, state: 'optimized', unknown: {} }]);
    expect(config.subsystems[0]!.namespaces[0]).toMatchObject({ isEnabled: false, anaGroupId: 1 });
    expect(config.hosts[0]!.dhchapKey).toBe('DHHC-1:00:a:');
    expect(readConfig({})).toEqual({ hosts: [], ports: [], subsystems: [], unknown: {} });
  });

  it('is refused with all that is wrong and where', () => {
    expect(
      problems((config) => {
        config.ports[0]!.addr.trtype = 'carrier pigeon';
        config.ports[0]!.param.inline_data_size = 'much';
        config.ports[0]!.ana_groups[1]!.grpid = 1;
        config.subsystems[0]!.namespaces[0]!.nsid = 0;
        config.subsystems[0]!.namespaces[0]!.device.uuid = 'xyz';
        config.subsystems[0]!.attr.cntlid_min = '70000';
        config.hosts[0]!.nqn = 'somebody';
      }),
    ).toEqual([
      'hosts[0].nqn is "somebody", not a name such as nqn.2014-08.org.nvmexpress:uuid:...',
      'ports[0].addr.trtype is "carrier pigeon", not one of tcp, rdma, loop, fc',
      'ports[0].param.inline_data_size is "much", not a whole number from -1 to 16777216',
      'subsystems[0].attr.cntlid_min is "70000", not a whole number from 1 to 65519',
      'subsystems[0].namespaces[0].nsid is "0", not a whole number from 1 to 1024',
      'subsystems[0].namespaces[0].device.uuid is "xyz", not 32 hexadecimal digits',
      `nqn.2024-01.org.example:disk allows ${SAVED.hosts[0]!.nqn}, which is not among the hosts`,
      'ANA group of port 1 1 is there twice',
    ]);
    expect(problems((config) => config.ports[0]!.subsystems.push('nqn.none'))).toEqual([
      'port 1 has nqn.none, which is not among the subsystems',
    ]);
    expect(problems((config) => config.hosts.push(config.hosts[0]!))).toHaveLength(1);
  });

  it('is refused when it is none', () => {
    for (const value of [
      null,
      7,
      [],
      'x',
      { hosts: 3 },
      { ports: [1] },
      { subsystems: [{ nqn: 'nqn.a', attr: [] }] },
    ]) {
      expect(() => readConfig(value)).toThrow('cannot be used');
    }
  });
});
