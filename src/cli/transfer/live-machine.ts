/** Transfers on the machine that peerlane runs on: block devices and files, and the kernel's peer memory. */
import type { Span } from '../../access/index.ts';
import type { Bdf } from '../../base/index.ts';
import {
  allocateHostMemory,
  allocatePeerMemory,
  liveTree,
  openBlockTarget,
  peerMemoryState,
} from '../../linux/index.ts';
import { rulesForMachine } from '../../p2pdma/index.ts';
import { MachineIndex, readSysfs } from '../../topology/index.ts';
import { type End, existingEnd, identityOf, routeEnd, writableEnd } from './ends.ts';
import type { OpenEnd, OpenOptions, RouteFacts, TransferEnd, TransferMachine } from './machine.ts';

export class LiveMachine implements TransferMachine {
  readonly simulation = null;

  source(name: string): TransferEnd {
    return new LiveEnd(existingEnd(name));
  }

  destination(name: string, mustExist: boolean): TransferEnd {
    const end = writableEnd(name);
    return new LiveEnd(mustExist && end.stats === undefined ? existingEnd(name) : end);
  }

  routeFacts(): RouteFacts {
    const index = new MachineIndex(readSysfs(liveTree(), { kind: 'live', label: 'live' }));
    return { index, rules: rulesForMachine(index.machine) };
  }

  availableBytes(provider: Bdf): number | undefined {
    return peerMemoryState(liveTree(), provider)?.availableBytes;
  }

  allocateHost(lengthBytes: number): Span {
    return allocateHostMemory(lengthBytes);
  }

  allocatePeer(provider: Bdf, lengthBytes: number): Span {
    return allocatePeerMemory(liveTree(), provider, lengthBytes);
  }

  close(): void {}
}

class LiveEnd implements TransferEnd {
  readonly label: string;
  readonly isDevice: boolean;
  readonly #end: End;

  constructor(end: End) {
    this.label = end.path;
    this.isDevice = end.backing.kind === 'block';
    this.#end = end;
  }

  get route() {
    return routeEnd(this.#end);
  }

  get identity(): string | undefined {
    return identityOf(this.#end);
  }

  get atStake() {
    return this.isDevice ? 'device' : 'file';
  }

  get holds(): readonly string[] {
    return this.#end.holds ?? [];
  }

  open(options: OpenOptions): OpenEnd {
    const target = openBlockTarget(this.#end.path, { look: liveTree, expected: this.#end, ...options });
    return { target, undo: () => target.undoOpening() };
  }
}
