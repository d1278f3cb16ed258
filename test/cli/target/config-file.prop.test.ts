/** Whatever a file holds, it is a plan or a typed refusal with a hint. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { PeerlaneError } from '../../../src/base/index.ts';
import { parseTargetFile } from '../../../src/cli/target/config-file.ts';
import { planTarget } from '../../../src/cli/target/plan.ts';

function isPlanOrRefusal(text: string): void {
  try {
    expect(planTarget(parseTargetFile(text, 'target.yaml'), true).ports.length).toBeGreaterThan(0);
  } catch (error) {
    expect(error).toBeInstanceOf(PeerlaneError);
    expect(error).toMatchObject({ exitStatus: 2, hint: expect.any(String) });
  }
}

const keys = [
  'hosts',
  'ports',
  'subsystems',
  'nqn',
  'portid',
  'addr',
  'traddr',
  'trsvcid',
  'trtype',
  'tsas',
  'namespaces',
  'nsid',
  'device',
  'path',
  'enable',
  'attr',
  'allowed_hosts',
  'dhchap_key',
  '__proto__',
];
const words = ['nqn.2024-01.org.example:a', '1', 'tcp', '127.0.0.1', 'memory:1M', 'tls1.3', '<<', ''];
const { tree } = fc.letrec((tie) => ({
  tree: fc.oneof(
    { maxDepth: 6 },
    fc.constantFrom(...words),
    fc.integer(),
    fc.constant(null),
    fc.array(tie('tree'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom(...keys), tie('tree'), { maxKeys: 6 }),
  ),
}));

it('any text', () => {
  fc.assert(
    fc.property(
      fc.string({ maxLength: 200, unit: fc.constantFrom(...':-[]{}&*!|>%@#"\', \n\taé0') }),
      isPlanOrRefusal,
    ),
    {
      numRuns: 500,
    },
  );
});

it('any values under the names of a configuration', () => {
  fc.assert(
    fc.property(
      fc.dictionary(
        fc.constantFrom('hosts', 'ports', 'subsystems'),
        fc.oneof(tree!, fc.array(tree!, { maxLength: 3 })),
      ),
      (value) => isPlanOrRefusal(JSON.stringify(value)),
    ),
    {
      numRuns: 500,
    },
  );
});
