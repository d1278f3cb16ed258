import fc from 'fast-check';
import { describe, it } from 'vitest';
import { type Bdf, formatBdf } from '../../../src/base/index.ts';
import { assembleMachine, type FunctionDraft } from '../../../src/topology/index.ts';
import { expectMachineInvariants } from '../../contract/machine-invariants.ts';

// Few values, so that addresses meet: rings, duplicates and contradictions are the normal case here.
const address = fc
  .record({
    domain: fc.constantFrom(0, 1, 0x10000),
    bus: fc.nat(6),
    device: fc.nat(2),
    function: fc.nat(1),
  })
  .map((parts) => formatBdf(parts));

const maybe = <T>(arbitrary: fc.Arbitrary<T>) =>
  fc.option(fc.option(arbitrary, { nil: null }), { nil: undefined });

const draft: fc.Arbitrary<FunctionDraft> = fc.record({
  bdf: address,
  parent: maybe<Bdf>(address),
  physicalFunction: maybe<Bdf>(address),
  headerType: fc.option(fc.nat(2), { nil: undefined }),
  classCode: fc.constantFrom(undefined, 0x060400, 0x020000),
  driver: fc.constantFrom(undefined, null, 'vmd'),
  secondaryBus: maybe(fc.nat(8)),
  subordinateBus: maybe(fc.nat(8)),
  isGone: fc.constantFrom(undefined, true, false),
  sriov: maybe(
    fc.record({
      isEnabled: fc.boolean(),
      numVfs: fc.constantFrom(0, 1, 7, 65535),
      firstVfOffset: fc.nat(300),
      vfStride: fc.nat(300),
    }),
  ),
});

describe('any drafts', () => {
  it('become a machine whose tree can be followed', () => {
    fc.assert(
      fc.property(fc.array(draft, { maxLength: 24 }), fc.boolean(), (functions, mayMissBridges) => {
        expectMachineInvariants(
          assembleMachine({
            source: { kind: 'lspci', label: 'test', privileged: undefined },
            functions,
            mayMissBridges,
          }),
        );
      }),
      { numRuns: 500 },
    );
  });
});
