/** Throws a value, in a place that takes an expression. */
export function throws(value: unknown): never {
  throw value;
}
