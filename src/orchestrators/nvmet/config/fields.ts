/** Reads the objects of a configuration key by key: what has been asked for is known, the rest is kept. */
import type { UnknownKeys } from './model.ts';

/** Everything that is wrong, told at once. */
export type Problems = string[];

type Plain = Readonly<Record<string, unknown>>;

export class Fields {
  readonly #where: string;
  /** Shared with whoever reads other parts of the same configuration. */
  readonly problems: Problems;
  readonly #object: Plain;
  readonly #known = new Set<string>();
  readonly #groups = new Map<string, Fields>();

  constructor(where: string, value: unknown, problems: Problems) {
    this.#where = where;
    this.problems = problems;
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    if (!isObject) {
      problems.push(`${where} is not an object`);
    }
    this.#object = isObject ? (value as Plain) : {};
  }

  get where(): string {
    return this.#where;
  }

  /** An object in this one, such as `attr`; without its keys when it is not there. */
  group(name: string): Fields {
    let group = this.#groups.get(name);
    if (group === undefined) {
      this.#known.add(name);
      const value = this.#has(name) ? this.#object[name] : {};
      group = new Fields(`${this.#where}.${name}`, value, this.problems);
      this.#groups.set(name, group);
    }
    return group;
  }

  /** Text; numbers and booleans are read as what they print as. Null where there is none or it is empty. */
  text(name: string): string | null {
    this.#known.add(name);
    const value = this.#object[name];
    if (!this.#has(name) || value === null || value === '') {
      return null;
    }
    if (typeof value === 'string' || typeof value === 'number') {
      return String(value).trim();
    }
    if (typeof value === 'boolean') {
      return value ? '1' : '0';
    }
    this.wrong(name, 'is not text');
    return null;
  }

  /** Text that has to be there. */
  required(name: string): string {
    const value = this.text(name);
    if (value === null) {
      this.wrong(name, 'is missing');
    }
    return value ?? '';
  }

  /** A whole number, which configfs gives as text. */
  whole(name: string, min: number, max: number): number | null {
    const text = this.text(name);
    if (text === null) {
      return null;
    }
    const value = /^-?[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max)) {
      this.wrong(name, `is "${text}", not a whole number from ${min} to ${max}`);
      return null;
    }
    return value;
  }

  flag(name: string): boolean | null {
    const text = this.text(name);
    if (text === null) {
      return null;
    }
    if (text !== '0' && text !== '1') {
      this.wrong(name, `is "${text}", not 0 or 1`);
      return null;
    }
    return text === '1';
  }

  /** One of several words. */
  word<Word extends string>(name: string, words: readonly Word[], otherwise: Word): Word {
    const text = this.text(name);
    if (text === null) {
      return otherwise;
    }
    const found = words.find((word) => word === text);
    if (found === undefined) {
      this.wrong(name, `is "${text}", not one of ${words.join(', ')}`);
    }
    return found ?? otherwise;
  }

  list(name: string): readonly unknown[] {
    this.#known.add(name);
    const value = this.#has(name) ? this.#object[name] : [];
    if (!Array.isArray(value)) {
      this.wrong(name, 'is not a list');
      return [];
    }
    return value;
  }

  texts(name: string): readonly string[] {
    const texts: string[] = [];
    for (const value of this.list(name)) {
      if (typeof value === 'string') {
        texts.push(value);
      } else {
        this.wrong(name, 'has something that is not text');
      }
    }
    return texts;
  }

  wrong(name: string, what: string): void {
    this.problems.push(`${this.#where}.${name} ${what}`);
  }

  /** What nobody asked for, groups included. */
  unknown(): UnknownKeys {
    const kept = Object.entries(this.#object).filter(([name]) => !this.#known.has(name));
    for (const [name, group] of this.#groups) {
      const inner = group.unknown();
      if (Object.keys(inner).length > 0) {
        kept.push([name, inner]);
      }
    }
    // Not by assignment: a key may be called `__proto__`.
    return Object.fromEntries(kept);
  }

  #has(name: string): boolean {
    return Object.hasOwn(this.#object, name);
  }
}
