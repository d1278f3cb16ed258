/** Names of a lab, each for one thing. */
import type { LabErrorCode } from './problems.ts';
import { isBlock, type LabValue } from './values.ts';

export class Names {
  /** Words of the file that may be names; given names keep away from them. */
  readonly #reserved: ReadonlySet<string>;
  readonly #claimed = new Set<string>();
  readonly #next = new Map<string, number>();

  constructor(root: LabValue) {
    this.#reserved = new Set(words(root));
  }

  /** Takes a name that the file gives. */
  claim(name: string | null, complain: (code: LabErrorCode, message: string) => void): void {
    if (name !== null && this.#claimed.has(name)) {
      complain('LAB_NAME', `'${name}' is the name of another device`);
    }
    if (name !== null) {
      this.#claimed.add(name);
    }
  }

  /** The next free name with this prefix. */
  next(prefix: string): string {
    for (let index = this.#next.get(prefix) ?? 0; ; index++) {
      const name = `${prefix}${index}`;
      if (!this.#reserved.has(name) && !this.#claimed.has(name)) {
        this.#next.set(prefix, index + 1);
        this.#claimed.add(name);
        return name;
      }
    }
  }

  has(name: string): boolean {
    return this.#claimed.has(name);
  }

  get all(): readonly string[] {
    return [...this.#claimed];
  }
}

function words(value: LabValue): string[] {
  const found: string[] = [];
  const rest: LabValue[] = [value];
  while (rest.length > 0) {
    const next = rest.pop();
    if (typeof next === 'string') {
      found.push(next);
    } else if (Array.isArray(next)) {
      rest.push(...(next as readonly LabValue[]));
    } else if (isBlock(next)) {
      rest.push(...Object.values(next));
    }
  }
  return found;
}
