/** What is wrong with a target's file is said with its place, and nothing that is secret. */
import { describe, expect, it } from 'vitest';
import { PeerlaneError } from '../../../src/base/index.ts';
import { parseTargetFile } from '../../../src/cli/target/config-file.ts';
import { planTarget } from '../../../src/cli/target/plan.ts';

const GOOD = `hosts:
  - nqn: nqn.2024-01.org.example:host-a
ports:
  - portid: 1
    addr: {adrfam: ipv4, traddr: 127.0.0.1, trsvcid: 4420, trtype: tcp}
    subsystems: ["nqn.2024-01.org.example:disk"]
subsystems:
  - nqn: nqn.2024-01.org.example:disk
    allowed_hosts: ["nqn.2024-01.org.example:host-a"]
    namespaces:
      - {nsid: 1, enable: 1, device: {path: "memory:1M"}}
      - {nsid: 2, enable: 1, device: {path: images/disk.img}, p2pmem: auto}
      - {nsid: 3, enable: 0, device: {path: /dev/null}}
`;
const SECRET = 'DHHC-1:00:c2VjcmV0IHRoYXQgbXVzdCBub3QgYmUgc2hvd24u:';

function refusal(text: string, hasKeys = false): PeerlaneError {
  try {
    planTarget(parseTargetFile(text, '/etc/target.yaml'), hasKeys);
  } catch (error) {
    if (error instanceof PeerlaneError) {
      return error;
    }
    throw error;
  }
  throw new Error('it was accepted');
}

describe('the file of a target', () => {
  it('is a plan: devices relative to the file, notes for what has no effect', () => {
    const plan = planTarget(parseTargetFile(GOOD, '/etc/target.yaml'), false);
    expect(plan.namespaces.map(({ device }) => device)).toEqual([
      { kind: 'memory', sizeBytes: 1 << 20 },
      { kind: 'path', path: '/etc/images/disk.img' },
    ]);
    expect(plan.notes).toEqual([
      'namespace 2 of nqn.2024-01.org.example:disk: p2pmem is not used over TCP',
      'namespace 3 of nqn.2024-01.org.example:disk is not enabled (enable: 1)',
    ]);
  });

  it('may be JSON, indented with tabs', () => {
    const { config } = parseTargetFile(
      '{\n\t"hosts": [],\n\t"ports": [{"portid": "7", "addr": {"traddr": "::1"}}]\n}',
      'a',
    );
    expect(config.ports[0]!.portId).toBe(7);
  });

  it.each([
    [
      'a bracket that is not closed',
      GOOD.replace('trtype: tcp}', 'trtype: tcp'),
      'TARGET_SYNTAX',
      '/etc/target.yaml:6:',
    ],
    [
      'an alias without its anchor',
      GOOD.replace('portid: 1', 'portid: *one'),
      'TARGET_SYNTAX',
      '/etc/target.yaml',
    ],
    [
      'a list that is none',
      GOOD.replace(/hosts:\n.*\n/, 'hosts: 1\n'),
      'TARGET_CONFIG',
      '/etc/target.yaml:1:8: config.hosts is not a list',
    ],
    [
      'a port that is no number',
      GOOD.replace('portid: 1', 'portid: one'),
      'TARGET_CONFIG',
      '/etc/target.yaml:4:13: ports[0].portid',
    ],
    [
      'what is missing, at what is around it',
      GOOD.replace('traddr: 127.0.0.1, ', ''),
      'TARGET_CONFIG',
      '/etc/target.yaml:5:11: ports[0].addr.traddr is missing',
    ],
    [
      'a namespace that is there twice',
      GOOD.replace('nsid: 2', 'nsid: 1'),
      'TARGET_CONFIG',
      '/etc/target.yaml:12:9: namespace of',
    ],
    [
      'a host that is not there',
      GOOD.replace('["nqn.2024-01.org.example:host-a"]', '[nqn.2024-01.org.example:b]'),
      'TARGET_CONFIG',
      '/etc/target.yaml:9:21: nqn.2024-01.org.example:disk allows',
    ],
    [
      'a subsystem that is not there',
      GOOD.replace('["nqn.2024-01.org.example:disk"]', '[nqn.2024-01.org.example:x]'),
      'TARGET_CONFIG',
      '/etc/target.yaml:6:18: port 1 has',
    ],
    [
      'a transport that is not served',
      GOOD.replace('trtype: tcp', 'trtype: rdma'),
      'TARGET_CONFIG',
      '/etc/target.yaml:5:68: ports[0].addr.trtype',
    ],
    [
      'no TCP port',
      GOOD.replace('trsvcid: 4420', 'trsvcid: 70000'),
      'TARGET_CONFIG',
      '/etc/target.yaml:5:54: ports[0].addr.trsvcid',
    ],
    [
      'TLS without keys',
      GOOD.replace('trtype: tcp', 'trtype: tcp, tsas: tls1.3'),
      'TARGET_CONFIG',
      '--tls-keys',
    ],
    [
      'memory of no size',
      GOOD.replace('memory:1M', 'memory:1000'),
      'TARGET_CONFIG',
      '/etc/target.yaml:11:45: subsystems[0].namespaces[0].device.path',
    ],
    ['no port at all', 'subsystems: []\n', 'TARGET_CONFIG', 'config.ports has no port'],
  ])('%s is refused', (_name, text, code, says) => {
    const error = refusal(text);
    expect(error).toMatchObject({ code, exitStatus: 2 });
    expect(error.message).toContain(says);
    expect(error.hint).not.toBe(undefined);
  });

  it('tells all that is wrong, each with its place', () => {
    const error = refusal(GOOD.replace('trtype: tcp', 'trtype: rdma').replace('memory:1M', 'memory:x'));
    expect(error.message).toMatch(/ \(and 1 more\)$/);
    expect(error.detail.problems).toHaveLength(2);
  });

  it('of a depth that no parser takes is refused', () => {
    expect(refusal('['.repeat(200_000)).code).toBe('TARGET_SYNTAX');
  });

  it.each(['dhchap_key', 'dhchap_ctrl_key'])('does not show a secret that is wrong: %s', (key) => {
    const keys = key === 'dhchap_key' ? `dhchap_key: "${SECRET}x"` : `dhchap_key: "${SECRET}"`;
    const text = GOOD.replace(
      'host-a\nports',
      `host-a\n    ${keys}\n    ${key === 'dhchap_key' ? '' : `${key}: "${SECRET}x"`}\nports`,
    );
    const error = refusal(text);
    expect(error.message).toContain('/etc/target.yaml:2:5: hosts[0]');
    expect(`${error.message}${error.hint}${JSON.stringify(error.detail)}`).not.toContain('c2VjcmV0');
  });
});
