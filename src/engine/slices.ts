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

/** So many items are gone through at once: some of what is done with each takes 20 µs. */
const MAX_SYNC_ITEMS = 500;

/** Long work pauses after so many milliseconds. */
const MAX_SLICE_MS = 5;

/** For long work to ask, after each of its parts, whether it is time to let others have their turn: then it is a promise. */
export function createYielder(): () => Promise<void> | undefined {
  let startedAt = performance.now();
  return () => {
    if (performance.now() - startedAt < MAX_SLICE_MS) return undefined;
    return macrotask().then(() => void (startedAt = performance.now()));
  };
}

/**
 * Does something with each item: at once where there are few, else for some milliseconds at a time. Small work makes no
 * promise and keeps its place before what comes next.
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

/** Those of many items that pass a test, and those that do not. */
export async function partition<T>(
  items: readonly T[],
  test: (item: T) => boolean,
): Promise<readonly [passed: readonly T[], failed: readonly T[]]> {
  const passed: T[] = [];
  const failed: T[] = [];
  await forEachInSlices(items, (item) => void (test(item) ? passed : failed).push(item));
  return [passed, failed];
}

/** Those of many items that pass a test. */
export async function filterInSlices<T>(items: readonly T[], test: (item: T) => boolean): Promise<readonly T[]> {
  const [passed] = await partition(items, test);
  return passed;
}

/** Many items in order, those that compare equal as they were. */
export async function sortInSlices<T>(
  items: readonly T[],
  compare: (one: T, other: T) => number,
): Promise<readonly T[]> {
  const pause = createYielder();
  let runs: (readonly T[])[] = [];
  for (let from = 0; from < items.length; from += MAX_SYNC_ITEMS) {
    runs.push(items.slice(from, from + MAX_SYNC_ITEMS).toSorted(compare));
    await pause();
  }
  while (runs.length > 1) {
    const longer: (readonly T[])[] = [];
    for (let index = 0; index < runs.length; index += 2) {
      longer.push(await mergeSorted(runs[index] ?? [], runs[index + 1] ?? [], compare, pause));
    }
    runs = longer;
  }
  return runs[0] ?? [];
}

async function mergeSorted<T>(
  ones: readonly T[],
  others: readonly T[],
  compare: (one: T, other: T) => number,
  pause: () => Promise<void> | undefined,
): Promise<readonly T[]> {
  const all: T[] = [];
  const rest = others.values();
  let next = rest.next();
  for (const one of ones) {
    for (; next.done !== true && compare(next.value, one) < 0; next = rest.next()) all.push(next.value);
    all.push(one);
    const pausing = pause();
    if (pausing !== undefined) await pausing;
  }
  for (; next.done !== true; next = rest.next()) all.push(next.value);
  return all;
}
