/**
 * The framework's side of the verdict: distance over several clients, and the map type that mapping reads from a
 * provider's cache (spec p2pdma.md sections 2.7 and 2.9). The verdict itself is `judge`.
 *
 * The machine is read again whenever somebody asks for a distance, and on a miss of the cache. Nothing else notices that an
 * ACS control changed or that a device was replaced, as in the kernel.
 */
import { type Bdf, bdfParts } from '../../base/index.ts';
import { type Machine, MachineIndex } from '../../topology/index.ts';
import { judge } from '../judge.ts';
import { notPciMessage } from '../messages.ts';
import { lacksOption, type RuleSet, rulesFor } from '../rules.ts';
import type { KernelVerdict, MapType } from '../verdict.ts';
import { type Client, functionAbove, hasSoftwareDma, nameOf } from './client.ts';
import { type KernelBehaviour, kernelBehaviour } from './kernel-behaviour.ts';
import type { PlatformFacts } from './platform-facts.ts';

/** `device` is the function or device whose name the kernel would print before the text; null for lines without one. */
export type KernelLog = (device: string | null, text: string) => void;

/** Map types of one provider by client. */
export class MapTypeCache {
  readonly #types = new Map<number, MapType>();
  readonly #slotsMax: number;

  constructor(slotsMax: number) {
    this.#slotsMax = slotsMax;
  }

  get(client: Bdf): MapType | undefined {
    return this.#types.get(keyOf(client));
  }

  /** No room: the slot stays empty, and nobody is told (EC-048). */
  set(client: Bdf, type: MapType): void {
    const key = keyOf(client);
    if (this.#types.has(key) || this.#types.size < this.#slotsMax) {
      this.#types.set(key, type);
    }
  }
}

/** The kernel's key: domain, bus, devfn. A device that takes another's place finds its predecessor's verdict (EC-047). */
function keyOf(client: Bdf): number {
  const parts = bdfParts(client);
  return parts.domain * 0x1_0000 + (parts.bus << 8) + (parts.device << 3) + parts.function;
}

export interface DistanceOptions {
  /** Log why. Silent still stops at the first client that is rejected, and still names an unlisted host bridge. Default true. */
  readonly isVerbose?: boolean;
}

export class Verdicts {
  readonly rules: RuleSet;
  readonly behaviour: KernelBehaviour;
  readonly #machine: () => Machine;
  readonly #platform: PlatformFacts;
  readonly #log: KernelLog;
  readonly #cacheOf: (provider: Bdf) => MapTypeCache | undefined;
  #index: MachineIndex | undefined;

  constructor(options: {
    readonly machine: () => Machine;
    readonly rules: RuleSet | string | undefined;
    readonly platform: PlatformFacts;
    readonly log: KernelLog;
    readonly cacheOf: (provider: Bdf) => MapTypeCache | undefined;
  }) {
    this.#machine = options.machine;
    this.#platform = options.platform;
    this.#log = options.log;
    this.#cacheOf = options.cacheOf;
    const { rules } = options;
    // With rules given, the machine need not be there yet.
    this.rules = typeof rules === 'object' ? rules : rulesFor(rules ?? this.reread().machine.kernel.release);
    this.behaviour = kernelBehaviour(this.rules);
  }

  /** False: every call of the kernel is a stub. */
  get isBuilt(): boolean {
    const { hasZoneDevice, is64Bit } = this.#platform;
    const isPossible = hasZoneDevice && (is64Bit || !this.behaviour.needs64Bit);
    const { machine } = this.#index ?? this.reread();
    return this.behaviour.hasP2pdma && isPossible && lacksOption(machine, this.rules) !== true;
  }

  /** The machine as it is now; the index of the last reading is kept while the callback returns the same machine. */
  reread(): MachineIndex {
    const machine = this.#machine();
    if (this.#index === undefined || machine !== this.#index.machine) {
      this.#index = new MachineIndex(machine);
    }
    return this.#index;
  }

  /**
   * pci_p2pdma_distance_many(): the sum over the clients, -1 when one is rejected or there is none. Fills the provider's
   * cache for every client that was examined.
   *
   * @returns null when the answer depends on something that the machine does not tell
   * @throws {TopologyError} TOPO_UNKNOWN_BDF when a function is not in the machine
   */
  distanceMany(
    provider: Bdf,
    clients: readonly Client[],
    options: DistanceOptions = {},
    index: MachineIndex = this.reread(),
  ): number | null {
    if (!this.isBuilt || clients.length === 0) {
      return -1;
    }
    const isVerbose = options.isVerbose ?? true;
    let sum: number | null = 0;
    let isRejected = false;
    for (const client of clients) {
      const fn = this.#functionFor(client, isVerbose);
      if (fn === null) {
        return -1;
      }
      const verdict = this.#walk(index, provider, fn, isVerbose);
      isRejected ||= verdict.usable === false;
      if (isRejected && !isVerbose) {
        return -1;
      }
      sum = sum === null || verdict.distance === null ? null : sum + verdict.distance;
    }
    return isRejected ? -1 : sum;
  }

  /** What the cache says of a pair; undefined when it is cold. */
  cachedMapType(provider: Bdf, client: Bdf): MapType | undefined {
    return this.#cacheOf(provider)?.get(client);
  }

  /** Walks, verbose, as mapping does on a miss from 6.0 on. */
  walkMapType(provider: Bdf, client: Bdf): MapType {
    return this.#walk(this.reread(), provider, client, true).mapType;
  }

  #functionFor(client: Client, isVerbose: boolean): Bdf | null {
    const { refusesSoftwareDma, ignoresSoftwareDma } = this.behaviour;
    if (refusesSoftwareDma && !ignoresSoftwareDma && hasSoftwareDma(client)) {
      if (isVerbose) {
        this.#log(
          nameOf(client),
          'cannot be used for peer-to-peer DMA because the driver makes use of dma_virt_ops',
        );
      }
      return null;
    }
    const fn = functionAbove(client);
    if (fn === null && isVerbose) {
      this.#say(notPciMessage(nameOf(client)));
    }
    return fn;
  }

  #walk(index: MachineIndex, provider: Bdf, client: Bdf, isVerbose: boolean): KernelVerdict {
    const verdict = judge(index, this.rules, provider, client, { isVerbose });
    for (const line of verdict.messages) {
      this.#say(line);
    }
    this.#cacheOf(provider)?.set(client, verdict.mapType);
    return verdict;
  }

  #say(line: string): void {
    const bar = line.indexOf('|');
    this.#log(line.slice(0, bar), line.slice(bar + 1));
  }
}
