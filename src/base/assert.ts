/** A bug in this program, never a mistake in its input. */
export class AssertionFailure extends Error {
  override readonly name = 'AssertionFailure';
}

/** Ends the program where an invariant is known to be broken; `facts` shows the values that disagree. */
export function assert(
  condition: boolean,
  message: string,
  facts?: Record<string, unknown>,
): asserts condition {
  if (!condition) {
    throw new AssertionFailure(facts === undefined ? message : `${message}: ${JSON.stringify(facts)}`);
  }
}

/** For the `default` of a switch over a union: the type checker proves that nothing is left. */
export function unreachable(value: never): never {
  throw new AssertionFailure(`unexpected value ${JSON.stringify(value)}`);
}
