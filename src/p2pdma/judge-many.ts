/** One provider against several clients, as pci_p2pdma_distance_many() sums them up. */
import type { Bdf } from '../base/index.ts';
import type { MachineIndex } from '../topology/index.ts';
import { judge, positionOf } from './judge.ts';
import { notPciMessage } from './messages.ts';
import type { RuleSet } from './rules.ts';
import type { KernelVerdict } from './verdict.ts';

/** A client without a PCI function among its ancestors (soft RDMA on loopback, a platform device), by name. */
export interface NonPciClient {
  readonly nonPci: string;
}

export interface ManyVerdict {
  readonly provider: Bdf;
  /** As given, in order. A client named twice counts twice. */
  readonly clients: readonly (Bdf | NonPciClient)[];
  /** What the kernel returns: the sum over the clients, -1 when one is rejected or there is none. Null when unknown. */
  readonly distance: number | null;
  readonly usable: boolean | null;
  /** One for each client that the kernel examines; a client that is no PCI device ends the list. */
  readonly verdicts: readonly KernelVerdict[];
  /** Clients that are certainly rejected. */
  readonly rejected: readonly (Bdf | NonPciClient)[];
  /** What the kernel would log, `device|text`, asked to be verbose. */
  readonly messages: readonly string[];
}

/**
 * The combined distance of one provider from all clients.
 *
 * @throws {TopologyError} TOPO_UNKNOWN_BDF when the provider or a client is not in the machine
 * @see Linux drivers/pci/p2pdma.c, pci_p2pdma_distance_many()
 */
export function judgeMany(
  index: MachineIndex,
  rules: RuleSet,
  provider: Bdf,
  clients: readonly (Bdf | NonPciClient)[],
): ManyVerdict {
  positionOf(index, provider);
  const verdicts: KernelVerdict[] = [];
  const rejected: (Bdf | NonPciClient)[] = [];
  const messages: string[] = [];
  let sum: number | null = 0;
  let isOpen = false;
  for (const client of clients) {
    if (typeof client !== 'string') {
      rejected.push(client);
      if (rules.intervals.every((interval) => interval.hasP2pdma)) {
        messages.push(notPciMessage(client.nonPci));
      }
      break;
    }
    const verdict = judge(index, rules, provider, client);
    verdicts.push(verdict);
    messages.push(...verdict.messages);
    if (verdict.usable === false) {
      rejected.push(client);
    }
    isOpen ||= verdict.usable === null;
    sum = sum === null || verdict.distance === null ? null : sum + verdict.distance;
  }
  const isRejected = rejected.length > 0 || clients.length === 0;
  return {
    provider,
    clients,
    distance: isRejected ? -1 : isOpen ? null : sum,
    usable: isRejected ? false : isOpen ? null : true,
    verdicts,
    rejected,
    messages,
  };
}
