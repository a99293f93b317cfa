import { setImmediate as macrotask } from 'node:timers/promises';

/**
 * Splits many items into slices, by default of 1,000. Yields to the event loop between two slices, so that other work
 * is not blocked.
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

/** Up to this many items are processed synchronously. Some work takes 20 µs per item. */
export const MAX_SYNC_ITEMS = 500;

/** Long work yields to the event loop after this many milliseconds. */
const MAX_SLICE_MS = 5;

/**
 * Lets long work yield to the event loop. Call the returned function after each part of the work. If it returns a
 * promise, await the promise.
 */
export function createYielder(): () => Promise<void> | undefined {
  let startedAt = performance.now();
  return () => {
    if (performance.now() - startedAt < MAX_SLICE_MS) return undefined;
    return macrotask().then(() => void (startedAt = performance.now()));
  };
}

/**
 * Runs `work` for each item. Few items are processed synchronously, without a promise, so that their order with other
 * work is kept. Many items are processed in slices of a few milliseconds.
 */
export function forEachInSlices<T>(items: readonly T[], work: (item: T, index: number) => void): void | Promise<void> {
  if (items.length > MAX_SYNC_ITEMS) return runInSlices(items, work);
  for (const [index, item] of items.entries()) work(item, index);
}

async function runInSlices<T>(items: readonly T[], work: (item: T, index: number) => void): Promise<void> {
  const pause = createYielder();
  for (const [index, item] of items.entries()) {
    work(item, index);
    const pausing = pause();
    if (pausing !== undefined) await pausing;
  }
}

/** Splits many items into those that pass a test and those that fail it. */
export async function partition<T>(
  items: readonly T[],
  test: (item: T) => boolean,
): Promise<readonly [passed: readonly T[], failed: readonly T[]]> {
  const passed: T[] = [];
  const failed: T[] = [];
  await forEachInSlices(items, (item) => void (test(item) ? passed : failed).push(item));
  return [passed, failed];
}

/** Returns the items that pass a test. */
export async function filterInSlices<T>(items: readonly T[], test: (item: T) => boolean): Promise<readonly T[]> {
  const [passed] = await partition(items, test);
  return passed;
}

/** Sorts many items. Equal items keep their order. */
export async function sortInSlices<T>(items: readonly T[], compare: (a: T, b: T) => number): Promise<readonly T[]> {
  const pause = createYielder();
  let runs: (readonly T[])[] = [];
  for (let from = 0; from < items.length; from += MAX_SYNC_ITEMS) {
    runs.push(items.slice(from, from + MAX_SYNC_ITEMS).toSorted(compare));
    await pause();
  }
  while (runs.length > 1) {
    const longerRuns: (readonly T[])[] = [];
    for (let index = 0; index < runs.length; index += 2) {
      longerRuns.push(await mergeSorted(runs[index] ?? [], runs[index + 1] ?? [], compare, pause));
    }
    runs = longerRuns;
  }
  return runs[0] ?? [];
}

async function mergeSorted<T>(
  first: readonly T[],
  second: readonly T[],
  compare: (a: T, b: T) => number,
  pause: () => Promise<void> | undefined,
): Promise<readonly T[]> {
  const merged: T[] = [];
  const iterator = second.values();
  let next = iterator.next();
  for (const item of first) {
    for (; next.done !== true && compare(next.value, item) < 0; next = iterator.next()) merged.push(next.value);
    merged.push(item);
    const pausing = pause();
    if (pausing !== undefined) await pausing;
  }
  for (; next.done !== true; next = iterator.next()) merged.push(next.value);
  return merged;
}
