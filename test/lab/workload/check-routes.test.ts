import { describe, expect, it } from 'vitest';
import { noTurn } from '../../../src/fabric/index.ts';
import { checkRoutes, LabMachine, parseLab, workloadOf } from '../../../src/lab/index.ts';

const lab = (peers: string, stream: string): string => `peerlane: lab/1
cpu: amd
host-bridges:
  - peers: ${peers}
    below:
      - nvme: nvme0
        cmb: 64M
      - nvme: nvme1
      - dma-engine: card
workload:
  duration: 1ms
  streams:
    - ${stream}
      block: 64K
`;

function check(text: string): unknown {
  const parsed = parseLab(text, 'lab.yaml');
  try {
    checkRoutes(LabMachine.boot(parsed, { label: 'lab.yaml', turn: noTurn }), workloadOf(parsed, 'lab.yaml'));
    return undefined;
  } catch (error) {
    return error;
  }
}

describe('a stream without a way to its memory', () => {
  it('is refused with its place and the reason, for a drive and for a function without driver', () => {
    for (const stream of ['read: nvme1\n      to: nvme0', 'dma-write: card\n      to: nvme0']) {
      expect(check(lab('none', stream))).toMatchObject({
        code: 'LAB_NO_ROUTE',
        exitStatus: 2,
        message: expect.stringMatching(
          /^lab\.yaml:13:7: stream .* no way to the controller memory of nvme0: .*peers:/,
        ),
      });
    }
  });

  it('is refused only in the direction that does not pass', () => {
    expect(check(lab('writes-only', 'read: nvme1\n      to: nvme0'))).toBeUndefined();
    expect(check(lab('writes-only', 'write: nvme1\n      from: nvme0'))).toMatchObject({
      code: 'LAB_NO_ROUTE',
    });
  });

  it('is told the kernel’s reasons too', () => {
    const early = lab('routes', 'read: nvme1\n      to: nvme0').replace('cpu: amd', 'cpu: amd\nkernel: 5.1');
    expect(check(early)).toMatchObject({
      code: 'LAB_NO_ROUTE',
      message: expect.stringMatching(/the kernel refuses it; [A-Z_]+: /),
    });
    // A function that asks nobody goes where the hardware lets it.
    const bare = lab('routes', 'dma-write: card\n      to: nvme0').replace(
      'cpu: amd',
      'cpu: amd\nkernel: 5.1',
    );
    expect(check(bare)).toBeUndefined();
  });

  it('is not one that has a way', () => {
    expect(check(lab('routes', 'read: nvme1\n      to: nvme0'))).toBeUndefined();
    expect(check(lab('none', 'read: nvme1\n      to: host'))).toBeUndefined();
  });
});
