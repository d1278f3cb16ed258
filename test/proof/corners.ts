/** Small labs for what random ones seldom meet, so that every run meets it whatever its seed. */
import type { Block, Change, RandomLab } from './random-lab.ts';

function corner(more: Block, changes: readonly Change[] = []): RandomLab {
  return {
    block: {
      peerlane: 'lab/1',
      kernel: '7.2.12',
      cpu: { vendor: 'intel' },
      iommu: 'off',
      memory: '64M',
      ...more,
    },
    changes,
  };
}

const memory = (more: Block = {}): Block => ({ memory: null, bars: { 0: '2M' }, ats: 'yes', ...more });
const ATS: readonly Change[] = [{ at: 0, what: 'ats-everywhere' }];

function oneSwitch(portAcs: unknown, switchMore: Block = {}, rootAcs: unknown = 'off'): Block {
  const port = (): Block => ({ port: null, acs: portAcs, below: [memory()] });
  return {
    'root-port': null,
    at: '01.0',
    acs: rootAcs,
    below: [{ switch: null, ...switchMore, below: [port(), port()] }],
  };
}

export const CORNERS: readonly RandomLab[] = [
  // DT lets translated requests past RR.
  corner({ below: [oneSwitch(['RR', 'DT'])] }, ATS),
  // bus-addr under an IOMMU that translates, and a client that asks it first.
  corner({ iommu: 'translated', below: [oneSwitch('off')] }, ATS),
  // TB stops the question.
  corner({ below: [oneSwitch(['TB'])] }, ATS),
  // Egress control without RR, towards a port of the same switch, and towards another root port.
  corner({ cpu: { vendor: 'amd' }, below: [oneSwitch({ control: ['EC'], egress: ['1', '2'] })] }),
  corner({
    cpu: { vendor: 'amd' },
    below: ['1', '2'].map((number) => ({
      'root-port': null,
      'port-number': number,
      acs: { control: ['EC'], egress: ['1', '2'] },
      below: [memory()],
    })),
  }),
  // ACS of an upstream port, above both.
  corner({ below: [oneSwitch('off', { 'upstream-acs': ['RR'] })] }),
  // A release between two whose rules differ: who stands for a root bus without 00.0.
  corner({
    kernel: '5.17',
    'host-bridges': [{ identity: 'none', below: [oneSwitch(['RR', 'UF'], {}, ['UF'])] }],
  }),
  // Linux 5.2 and 5.3 refuse what an IOMMU might translate.
  corner({
    kernel: '5.3.1',
    iommu: 'passthrough',
    'host-bridges': [
      {
        identity: '1022:1450',
        below: [1, 2].map(() => ({ 'root-port': null, acs: 'off', below: [memory()] })),
      },
    ],
  }),
];
