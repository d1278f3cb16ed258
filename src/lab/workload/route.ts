/** Which memory a copy stream goes through: by the verdict, as `peerlane copy` chooses, or where the lab file says. */
import type { BlockTarget } from '../../access/index.ts';
import { explainPair } from '../../advice/index.ts';
import { chooseRoute } from '../../orchestrators/index.ts';
import { findMany, judgeMany, rulesForMachine } from '../../p2pdma/index.ts';
import { MachineIndex } from '../../topology/index.ts';
import type { LabCopyStream } from '../file/index.ts';
import type { LabMachine } from '../machine/index.ts';
import { type Place, takePlace } from './places.ts';

/** @throws {CopyError} COPY_NO_ROUTE when peer memory was named and is refused; {MappingError} P2P_POOL_EXHAUSTED */
export function chooseBuffer(
  machine: LabMachine,
  description: LabCopyStream,
  ends: readonly [BlockTarget, BlockTarget],
  lengthBytes: number,
): { readonly place: Place; readonly why: string } {
  const { via, device } = description;
  const member = machine.member(device) ?? null;
  if (via !== 'auto' && via.kind === 'host') {
    return { place: takePlace(machine, via, member, lengthBytes), why: 'system memory was asked for' };
  }
  if (via !== 'auto') {
    // Registers memory that nobody offers yet, so that the rules can judge it.
    const place = takePlace(machine, via, member, lengthBytes);
    return { place, why: `memory of ${via.name} was asked for` };
  }
  const facts = machine.machine();
  const index = new MachineIndex(facts);
  const rules = rulesForMachine(facts);
  const choice = chooseRoute({
    via: 'auto',
    ends: ends.map(({ label, requesters }) => ({
      label,
      requesters,
      uncertain: undefined,
      takesPeerMemory: requesters.length > 0,
      why:
        requesters.length > 0 ? 'a drive of a lab does DMA wherever the rules allow' : 'the processor copies',
    })),
    fallback: true,
    find: (clients) => findMany(index, rules, clients),
    judge: (provider, clients) => judgeMany(index, rules, provider, clients),
    availableBytes: (provider) => machine.p2pdma.provider(provider)?.availableBytes,
    explain: (provider, client) =>
      explainPair(index, rules, provider, client).reasons.map(({ code }) => code),
  });
  const { provider } = choice;
  if (provider === null) {
    return { place: takePlace(machine, { kind: 'host', node: null }, member, lengthBytes), why: choice.why };
  }
  const owner = machine.members.find(({ bdf }) => bdf === provider);
  const name = owner?.node.name ?? provider;
  return {
    place: {
      span: machine.p2pdma.allocSpan(provider, lengthBytes),
      provider: name,
      text: `memory of ${name}`,
    },
    why: choice.why,
  };
}
