import { afterEach, expect, test, vi } from 'vitest';
import { GroupCommit } from '../../../src/store/lmdb/group-commit.js';
import { deferred } from '../../kit/deferred.js';

interface PendingCommit {
  readonly committed: ReturnType<typeof deferred<void>>;
  readonly flushed: ReturnType<typeof deferred<void>>;
}

/** A store whose commits end only when the test settles them. */
function setUp() {
  const done: string[] = [];
  const commits: PendingCommit[] = [];
  const group = new GroupCommit(async (writes) => {
    const commit = { committed: deferred(), flushed: deferred() };
    commits.push(commit);
    writes();
    done.push('|');
    await commit.committed.promise;
    return { flushed: commit.flushed.promise };
  });
  const write = (name: string): Promise<void> => group.write(() => void done.push(name));
  return { group, write, done, commits };
}

afterEach(() => void vi.useRealTimers());

const flushMicrotasks = async (): Promise<void> => {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
};

test('writes of one tick share a commit, and later ones share the next', async () => {
  const { write, done, commits } = setUp();
  const first = [write('a'), write('b')];
  await flushMicrotasks();
  const second = [write('c'), write('d')];
  await flushMicrotasks();
  expect(done).toEqual(['a', 'b', '|']);
  commits[0]?.committed.resolve();
  await flushMicrotasks();
  expect(done).toEqual(['a', 'b', '|', 'c', 'd', '|']);
  commits[1]?.committed.resolve();
  for (const { flushed } of commits) flushed.resolve();
  await Promise.all([...first, ...second]);
});

test('a write resolves once it is on disk, and the next commit does not wait for that', async () => {
  const { write, done, commits } = setUp();
  let hasEnded = false;
  const first = write('a').then(() => (hasEnded = true));
  await flushMicrotasks();
  commits[0]?.committed.resolve();
  void write('b');
  await flushMicrotasks();
  expect([done, hasEnded]).toEqual([['a', '|', 'b', '|'], false]);
  commits[0]?.flushed.resolve();
  await first;
  expect(hasEnded).toBe(true);
});

test('idle resolves when no commit is pending', async () => {
  const { group, write, commits } = setUp();
  await group.idle();
  const written = [write('a')];
  await flushMicrotasks();
  written.push(write('b'));
  let isIdle = false;
  const idle = group.idle().then(() => (isIdle = true));
  commits[0]?.committed.resolve();
  await flushMicrotasks();
  expect(isIdle).toBe(false);
  commits[1]?.committed.resolve();
  await idle;
  for (const { flushed } of commits) flushed.resolve();
  await Promise.all(written);
});

test('every write is committed, at whichever moment it arrives', async () => {
  const group = new GroupCommit(async (writes) => {
    writes();
    return { flushed: Promise.resolve() };
  });
  let written = 0;
  const write = (): Promise<void> => group.write(() => void (written += 1));
  for (let wait = 0; wait < 20; wait += 1) {
    const first = write();
    for (let turn = 0; turn < wait; turn += 1) await Promise.resolve();
    await Promise.all([first, write()]);
  }
  expect(written).toBe(40);
});

test('a write that throws fails alone', async () => {
  const { group, write, done, commits } = setUp();
  const bad = group.write(() => {
    throw new Error('no such thing');
  });
  const good = write('a');
  await expect(bad).rejects.toThrow('no such thing');
  commits[0]?.committed.resolve();
  commits[0]?.flushed.resolve();
  await good;
  expect(done).toEqual(['a', '|']);
});

test('a commit that fails, or does not reach the disk, fails its own writes only', async () => {
  const { write, commits } = setUp();
  const first = [write('a'), write('b')];
  await flushMicrotasks();
  const second = [write('c')];
  commits[0]?.committed.reject(new Error('no commit'));
  for (const each of first) await expect(each).rejects.toThrow('no commit');
  await flushMicrotasks();
  commits[1]?.committed.resolve();
  commits[1]?.flushed.reject(new Error('no disk'));
  await expect(second[0]).rejects.toThrow('no disk');
  const third = write('d');
  await flushMicrotasks();
  commits[2]?.committed.resolve();
  commits[2]?.flushed.resolve();
  await third;
});

test("a 'soon' write shares the next commit, and does not cause a commit of its own", async () => {
  const { group, write, done, commits } = setUp();
  let hasEnded = false;
  const soonWrite = group.write(() => void done.push('later'), 'soon').then(() => (hasEnded = true));
  await flushMicrotasks();
  expect(commits).toHaveLength(0);
  const first = write('a');
  await flushMicrotasks();
  expect(done).toEqual(['later', 'a', '|']);
  void group.write(() => void done.push('after'), 'soon');
  commits[0]?.committed.resolve();
  await flushMicrotasks();
  expect([commits.length, hasEnded], 'nor after the previous commit').toEqual([1, false]);
  commits[0]?.flushed.resolve();
  await Promise.all([first, soonWrite]);
  const idle = group.idle();
  await flushMicrotasks();
  expect(done).toEqual(['later', 'a', '|', 'after', '|']);
  commits[1]?.committed.resolve();
  commits[1]?.flushed.resolve();
  await idle;
});

test("'soon' writes are committed after a moment when nothing else is written", async () => {
  const group = new GroupCommit(
    async (writes) => {
      writes();
      return { flushed: Promise.resolve() };
    },
    { soonMs: 1 },
  );
  let written = 0;
  await Promise.all([1, 2].map(() => group.write(() => void (written += 1), 'soon')));
  await group.write(() => void (written += 1), 'soon');
  expect(written).toBe(3);
});

test('writes that arrive before the transaction starts share it', async () => {
  const transactionStarted = deferred();
  const commits: string[][] = [];
  const group = new GroupCommit(async (writes) => {
    commits.push([]);
    await transactionStarted.promise;
    writes();
    return { flushed: Promise.resolve() };
  });
  const write = (name: string): Promise<void> => group.write(() => void commits.at(-1)?.push(name));
  const first = write('a');
  await flushMicrotasks();
  const second = write('b');
  transactionStarted.resolve();
  await Promise.all([first, second]);
  expect(commits).toEqual([['a', 'b']]);
});

test('a transaction that cannot start fails all writes waiting for it', async () => {
  let fails = true;
  const group = new GroupCommit(async (writes) => {
    if (fails) throw new Error('no transaction');
    writes();
    return { flushed: Promise.resolve() };
  });
  const writes = [group.write(() => {}), group.write(() => {}, 'soon')];
  for (const each of writes) await expect(each).rejects.toThrow('no transaction');
  fails = false;
  await group.write(() => {});
});

test('a commit that never ends fails its writes in time, and writes waiting behind it are not run', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const done: string[] = [];
  const commits: PendingCommit[] = [];
  const group = new GroupCommit(
    async (writes) => {
      const commit = { committed: deferred(), flushed: deferred() };
      commits.push(commit);
      writes();
      await commit.committed.promise;
      return { flushed: commit.flushed.promise };
    },
    { timeoutMs: 5_000 },
  );
  const failures: string[] = [];
  const write = (name: string): void => {
    group.write(() => void done.push(name)).catch((error: unknown) => failures.push(`${name}: ${String(error)}`));
  };
  write('a');
  await flushMicrotasks();
  write('b');
  vi.advanceTimersByTime(4_999);
  await flushMicrotasks();
  expect(failures).toEqual([]);
  vi.advanceTimersByTime(1);
  await flushMicrotasks();
  expect(failures).toEqual(['a: Error: no answer within 5000 ms', 'b: Error: no answer within 5000 ms']);
  write('c');
  vi.advanceTimersByTime(5_000);
  await flushMicrotasks();
  expect(failures[2]).toBe('c: Error: no answer within 5000 ms');
  commits[0]?.committed.resolve();
  await flushMicrotasks();
  const lastWrite = group.write(() => void done.push('d'));
  await flushMicrotasks();
  for (const { committed, flushed } of commits) {
    committed.resolve();
    flushed.resolve();
  }
  await lastWrite;
  expect(done).toEqual(['a', 'd']);
  expect(failures).toHaveLength(3);
});

test('idle does not wait forever for a commit that never ends', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const group = new GroupCommit(() => new Promise(() => {}), { timeoutMs: 5_000 });
  group.write(() => {}).catch(() => {});
  const failure = group.idle().catch(String);
  await flushMicrotasks();
  vi.advanceTimersByTime(5_000);
  expect(await failure).toBe('Error: no answer within 5000 ms');
});

test('a flush that never ends fails its writes in time', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const group = new GroupCommit(
    async (writes) => {
      writes();
      return { flushed: new Promise<void>(() => {}) };
    },
    { timeoutMs: 5_000 },
  );
  const failure = group.write(() => {}).catch(String);
  await flushMicrotasks();
  vi.advanceTimersByTime(5_000);
  expect(await failure).toBe('Error: no answer within 5000 ms');
});

test('slow writes are split over several commits, in order, before later writes', async () => {
  const commits: string[][] = [];
  const group = new GroupCommit(async (writes) => {
    commits.push([]);
    writes();
    return { flushed: Promise.resolve() };
  });
  const write = (name: string): Promise<void> =>
    group.write(() => {
      for (const startedAt = performance.now(); performance.now() - startedAt < 6;);
      commits.at(-1)?.push(name);
      if (name === 'a') lateWrite = group.write(() => void commits.at(-1)?.push('late'), 'soon');
    });
  let lateWrite = Promise.resolve();
  await Promise.all(['a', 'b', 'c', 'd', 'e'].map(write));
  await lateWrite;
  expect(commits.flat()).toEqual(['a', 'b', 'c', 'd', 'e', 'late']);
  expect(commits.length).toBeGreaterThan(2);
});
