/** Opens what is behind the namespaces of a target: memory, files and block devices, these with O_DIRECT. */
import { HostError } from '../../base/index.ts';
import { allocateHostMemory, type LinuxBlockTarget, liveTree, openBlockTarget } from '../../linux/index.ts';
import { MemoryTarget, type NamespaceBackend, PooledMemory } from '../../orchestrators/index.ts';
import type { PlannedNamespace } from './plan.ts';

/** For the data of all commands at once: a hundred of the largest. */
const MEMORY_BYTES_MAX = 128 << 20;

/** Backends of a target, with the memory that they share; given to the target one by one, the memory stays. */
export class Backends {
  readonly #ofBytes = PooledMemory.ofBytes(MEMORY_BYTES_MAX);
  readonly #ofHost = new PooledMemory(allocateHostMemory, MEMORY_BYTES_MAX);
  /** Who has it, by what the kernel calls it. */
  readonly #owners = new Map<string, string>();

  /**
   * @throws {HostError} as openBlockTarget: HOST_IN_USE for what is mounted, in use, or served by another namespace,
   *         HOST_HAS_PARTITIONS, HOST_NO_SUCH_PATH, HOST_NO_DIRECT_IO, HOST_NO_FFI and others
   */
  open({ subsystemNqn, config, device }: PlannedNamespace): NamespaceBackend {
    if (device.kind === 'memory') {
      const target = new MemoryTarget({ label: config.device.path, sizeBytes: device.sizeBytes });
      return { target, memory: this.#ofBytes, kind: 'memory', deallocatedReadsZero: true };
    }
    const target = openBlockTarget(device.path, { look: liveTree, write: true });
    const owner = this.#owners.get(target.identity);
    if (owner !== undefined) {
      void target.close();
      throw served(device.path, owner, target);
    }
    this.#owners.set(target.identity, `namespace ${config.nsid} of ${subsystemNqn}`);
    return {
      target,
      memory: this.#ofHost,
      kind: target.backing.kind === 'block' ? 'block' : 'file',
      deallocatedReadsZero: false,
    };
  }

  /** When no command is under way any more. */
  close(): void {
    this.#ofBytes.close();
    this.#ofHost.close();
  }
}

function served(path: string, owner: string, { identity }: LinuxBlockTarget): HostError {
  return new HostError('HOST_IN_USE', {
    message: `${path} is in use: it is ${owner} already`,
    hint: 'a namespace is reached through several ports by naming its subsystem there',
    detail: { path, identity },
  });
}
