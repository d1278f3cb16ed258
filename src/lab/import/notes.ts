/** What an import had to assume or change: one line each, with the functions that it concerns. */
import { type Bdf, compareBdf } from '../../base/index.ts';

/** Up to this many are named. */
const NAMED_MAX = 6;

export class ImportNotes {
  readonly #functions = new Map<string, Set<Bdf>>();

  /** The same text for several functions becomes one line. */
  add(text: string, at?: Bdf): void {
    const functions = this.#functions.get(text) ?? new Set();
    this.#functions.set(text, functions);
    if (at !== undefined) {
      functions.add(at);
    }
  }

  lines(): string[] {
    return [...this.#functions].map(([text, functions]) => {
      const all = [...functions].sort(compareBdf);
      const named = all.slice(0, NAMED_MAX).join(', ');
      const more = all.length > NAMED_MAX ? ` and ${all.length - NAMED_MAX} more` : '';
      return all.length === 0 ? text : `${text}: ${named}${more}`;
    });
  }
}
