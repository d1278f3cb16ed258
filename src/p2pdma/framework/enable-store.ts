/**
 * "Which provider": the text of an attribute (nvmet's `p2pmem` in configfs), as pci_p2pdma_enable_store() reads it and
 * pci_p2pdma_enable_show() prints it (spec p2pdma.md section 10).
 */
import type { Bdf } from '../../base/index.ts';
import type { KernelBehaviour } from './kernel-behaviour.ts';
import { refusal } from './refusal.ts';
import type { KernelLog } from './verdicts.ts';

export type ProviderChoice =
  | { readonly use: 'none' }
  /** Whichever is nearest. */
  | { readonly use: 'any' }
  | { readonly use: 'this'; readonly provider: Bdf };

export interface StoreFacts {
  readonly behaviour: KernelBehaviour;
  /** False: the kernel has stubs only. */
  readonly isBuilt: boolean;
  /** The function of exactly this name, if the machine has one. */
  readonly functionNamed: (name: string) => Bdf | undefined;
  readonly isPublished: (provider: Bdf) => boolean;
  readonly log: KernelLog;
}

/** @throws {MappingError} P2P_STORE_NOT_PUBLISHED, P2P_STORE_NO_DEVICE */
export function enableStore(text: string, facts: StoreFacts): ProviderChoice {
  if (!facts.isBuilt) {
    return { use: 'none' };
  }
  const line = text.split('\n', 1)[0]!;
  const provider = text === line || text === `${line}\n` ? facts.functionNamed(line) : undefined;
  if (provider !== undefined) {
    if (!facts.isPublished(provider)) {
      facts.log(null, `PCI device has no peer-to-peer memory: ${line}`);
      throw refusal('P2P_STORE_NOT_PUBLISHED', {
        message: `${provider} has published no peer memory`,
        hint: 'an NVMe drive publishes a CMB that takes data in both directions',
        errno: 'ENODEV',
        edgeCase: 'EC-163',
        detail: { text: line },
      });
    }
    return { use: 'this', provider };
  }
  const value = isMistypedAddress(text) ? undefined : parseBoolean(text, facts.behaviour);
  if (value === undefined) {
    facts.log(null, `No such PCI device: ${line}`);
    throw refusal('P2P_STORE_NO_DEVICE', {
      message: `"${line}" is neither a PCI function of this machine nor yes or no`,
      hint: 'write the whole address (0000:03:00.0), or 1 or 0',
      errno: 'ENODEV',
      edgeCase: isMistypedAddress(text) ? 'EC-162' : 'EC-161',
      detail: { text: line },
    });
  }
  return value ? { use: 'any' } : { use: 'none' };
}

export function enableShow(choice: ProviderChoice, isBuilt: boolean): string {
  if (!isBuilt) {
    return 'none\n';
  }
  return choice.use === 'this' ? `${choice.provider}\n` : choice.use === 'any' ? '1\n' : '0\n';
}

/** Begins like a number and goes on: `00`, `1x`, `0000:03:00.9`. */
function isMistypedAddress(text: string): boolean {
  return /^[01]/.test(text) && text.length > 1 && !isControl(text.charCodeAt(1));
}

function isControl(code: number): boolean {
  return code < 0x20 || code === 0x7f;
}

/** Looks at the first letter only, and at a second after `o`. */
function parseBoolean(text: string, behaviour: KernelBehaviour): boolean | undefined {
  const letters = text.slice(0, 2).toLowerCase();
  const { readsTrueFalse, readsEnableDisable } = behaviour;
  switch (letters[0]) {
    case 'y':
    case '1':
      return true;
    case 'n':
    case '0':
      return false;
    case 't':
      return readsTrueFalse ? true : undefined;
    case 'f':
      return readsTrueFalse ? false : undefined;
    case 'e':
      return readsEnableDisable ? true : undefined;
    case 'd':
      return readsEnableDisable ? false : undefined;
    case 'o':
      return letters[1] === 'n' ? true : letters[1] === 'f' ? false : undefined;
    default:
      return undefined;
  }
}

/** The attribute of one port: what was stored, and that it cannot change while the port serves. */
export class ProviderAttribute {
  /** Set while the port is enabled. */
  isBusy = false;
  readonly #facts: () => StoreFacts;
  #choice: ProviderChoice = { use: 'none' };

  constructor(facts: () => StoreFacts) {
    this.#facts = facts;
  }

  get choice(): ProviderChoice {
    return this.#choice;
  }

  /** Nothing is stored when it throws. @throws {MappingError} P2P_STORE_BUSY, and those of `enableStore` */
  store(text: string): void {
    if (this.isBusy) {
      throw refusal('P2P_STORE_BUSY', {
        message: 'p2pmem cannot change while the port is enabled',
        hint: 'disable the port first',
        errno: 'EBUSY',
        edgeCase: 'EC-160',
        detail: { text },
      });
    }
    this.#choice = enableStore(text, this.#facts());
  }

  show(): string {
    return enableShow(this.#choice, this.#facts().isBuilt);
  }
}
