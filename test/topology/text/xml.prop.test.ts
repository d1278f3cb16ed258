// Laws of the XML readers: any tree of their elements gives a machine that keeps the contract, or a typed error.
import fc from 'fast-check';
import { describe, it } from 'vitest';
import { InputError } from '../../../src/base/index.ts';
import { type Machine, readHwloc, readNccl } from '../../../src/topology/index.ts';
import { expectMachineInvariants } from '../../contract/machine-invariants.ts';

const ADDRESS = fc.constantFrom(
  '0000:00:01.0',
  '0000:01:00.0',
  '0000:02:00.0',
  '10000:e1:00.0',
  'ffff:ff:01.0',
  '0001_00:02.0',
  '',
  'zz',
  '0000:01:00.9',
);
const VALUE = fc.constantFrom(
  '',
  '0',
  '-1',
  '65536',
  '0xffff',
  '0x0',
  '0x060400',
  '1e9',
  'NaN',
  '99999999999',
  '16 GT/s',
  '&lt;',
  'x'.repeat(300),
);

const attribute = fc.oneof(
  fc.tuple(fc.constantFrom('busid', 'pci_busid'), ADDRESS),
  fc.tuple(fc.constant('type'), fc.constantFrom('PCIDev', 'Bridge', 'OSDev', 'Machine', 'Package')),
  fc.tuple(
    fc.constant('bridge_pci'),
    fc.constantFrom('0000:[00-05]', '0000:[05-01]', '10000:[e0-ff]', '0000:[01-01]', '?'),
  ),
  fc.tuple(
    fc.constant('pci_type'),
    fc.constantFrom('0604 [8086:2030] [8086:0000] 04 00', '0607 [1:2]', '0302 [10de:1db8] [0000:0000] a1'),
  ),
  fc.tuple(
    fc.constantFrom(
      'numaid',
      'nodeset',
      'class',
      'vendor',
      'device',
      'subsystem_vendor',
      'subsystem_device',
      'link_speed',
      'link_width',
      'pci_link_speed',
      'dev',
      'name',
      'osdev_type',
      'familyid',
      'modelid',
      'host_hash',
      'value',
      '__proto__',
      'constructor',
    ),
    VALUE,
  ),
);

const { tree } = fc.letrec<{ tree: string }>((tie) => ({
  tree: fc
    .tuple(
      fc.constantFrom('object', 'pci', 'cpu', 'nic', 'net', 'gpu', 'info'),
      fc.uniqueArray(attribute, { maxLength: 8, selector: ([name]) => name }),
      fc.oneof(
        { depthSize: 'medium', withCrossShrink: true },
        fc.constant([]),
        fc.array(tie('tree'), { maxLength: 4 }),
      ),
    )
    .map(
      ([name, attributes, children]) =>
        `<${name}${attributes.map(([key, value]) => ` ${key}="${value}"`).join('')}>${children.join('')}</${name}>`,
    ),
}));

function expectTypedResult(read: () => Machine): void {
  let machine: Machine;
  try {
    machine = read();
  } catch (error) {
    if (error instanceof InputError) {
      return;
    }
    throw error;
  }
  expectMachineInvariants(machine);
}

describe('any tree of elements', () => {
  it('below <topology>', () => {
    fc.assert(
      fc.property(
        fc.array(tree, { maxLength: 4 }),
        fc.constantFrom('1', '2.0', '3.0', ''),
        (parts, version) => {
          expectTypedResult(() =>
            readHwloc(`<topology version="${version}">${parts.join('')}</topology>`, 'any'),
          );
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('below <system>', () => {
    fc.assert(
      fc.property(fc.array(tree, { maxLength: 4 }), (parts) => {
        expectTypedResult(() =>
          readNccl(
            `<system version="1"><cpu numaid="0">${parts.join('')}</cpu>${parts.join('')}</system>`,
            'any',
          ),
        );
      }),
      { numRuns: 1000 },
    );
  });

  it('cut off anywhere', () => {
    fc.assert(
      fc.property(tree, fc.double({ min: 0, max: 1, noNaN: true }), (part, share) => {
        const xml = `<system version="1"><cpu numaid="0">${part}</cpu></system>`;
        expectTypedResult(() => readNccl(xml.slice(0, Math.floor(xml.length * share)), 'cut'));
      }),
      { numRuns: 500 },
    );
  });
});
