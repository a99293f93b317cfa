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

/** Items that are gone through at once: some of what is done with each takes 20 µs. */
const AT_ONCE = 500;

/**
 * Does something with each item: at once where there are few, else so many at a time, as {@link slices} does. Small work
 * makes no promise and keeps its place before what comes next.
 */
export function inSlices<T>(
  items: readonly T[],
  work: (item: T, index: number) => void,
  size = AT_ONCE,
): void | Promise<void> {
  if (items.length > size) return sliced(items, work, size);
  for (const [index, item] of items.entries()) work(item, index);
}

async function sliced<T>(items: readonly T[], work: (item: T, index: number) => void, size: number): Promise<void> {
  for (let from = 0; from < items.length; from += size) {
    if (from > 0) await macrotask();
    for (const [index, item] of items.slice(from, from + size).entries()) work(item, from + index);
  }
}

/** Those of many items that pass a test. */
export async function selected<T>(items: readonly T[], test: (item: T) => boolean): Promise<readonly T[]> {
  const passed: T[] = [];
  await inSlices(items, (item) => {
    if (test(item)) passed.push(item);
  });
  return passed;
}
