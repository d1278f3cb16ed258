/** Command lines to be pasted into a shell. */

/** A word as it is, or in quotes where the shell would make something else of it. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** A program with its arguments, an option with its value a line. */
export function shellLines(program: string, args: readonly string[]): string {
  return `${program}${args.map((arg) => `${arg.startsWith('-') ? ' \\\n  ' : ' '}${shellWord(arg)}`).join('')}`;
}
