import { setImmediate as macrotask } from 'node:timers/promises';

/**
 * Goes through many items without keeping the process from anything else: a thousand at a time, and between two slices
 * whatever came meanwhile gets its turn.
 */
export async function* slices<T>(items: Iterable<T> | AsyncIterable<T>, size = 1_000): AsyncGenerator<readonly T[]> {
  let slice: T[] = [];
  for await (const item of items) {
    slice.push(item);
    if (slice.length < size) continue;
    yield slice;
    slice = [];
    await macrotask();
  }
  if (slice.length > 0) yield slice;
}
