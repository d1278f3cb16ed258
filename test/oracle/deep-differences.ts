/** The paths at which two JSON values differ, `functions.3.bars.0.start`, in the order of the first. */
export function deepDifferences(a: unknown, b: unknown, path = ''): string[] {
  if (Object.is(a, b)) {
    return [];
  }
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) {
    return [path];
  }
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...names].flatMap((name) =>
    deepDifferences(
      (a as Record<string, unknown>)[name],
      (b as Record<string, unknown>)[name],
      path === '' ? name : `${path}.${name}`,
    ),
  );
}
