/** What QEMU makes different, one line each; the same for several devices is said once. */

const NAMED_MAX = 6;

export class Changes {
  readonly #lines = new Map<string, string[]>();

  add(text: string, name?: string): void {
    const names = this.#lines.get(text) ?? [];
    this.#lines.set(text, names);
    if (name !== undefined && !names.includes(name)) {
      names.push(name);
    }
  }

  lines(): string[] {
    return [...this.#lines].map(([text, names]) => {
      const more = names.length > NAMED_MAX ? ` and ${names.length - NAMED_MAX} more` : '';
      return names.length === 0 ? text : `${text}: ${names.slice(0, NAMED_MAX).join(', ')}${more}`;
    });
  }
}
