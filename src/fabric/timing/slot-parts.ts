/**
 * How tags, or the places of a gate, are divided among those who read at once; both engines do it this way.
 *
 * @param max    how many there are; may be Infinity
 * @param count  who wants some
 * @param place  0 to count - 1
 * @returns at least one: more readers than slots take turns
 */
export function partOf(max: number, count: number, place: number): number {
  if (max === Number.POSITIVE_INFINITY) {
    return max;
  }
  const whole = Math.floor(max / count);
  return Math.max(1, place < max - whole * count ? whole + 1 : whole);
}
