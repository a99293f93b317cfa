import { afterEach, expect, test, vi } from 'vitest';
import { GroupCommit } from '../../../src/store/lmdb/group-commit.js';
import { deferred } from '../../kit/fake-world.js';

interface Made {
  readonly committed: ReturnType<typeof deferred<void>>;
  readonly flushed: ReturnType<typeof deferred<void>>;
}

/** A store whose commits end when they are told to. */
function setUp() {
  const done: string[] = [];
  const commits: Made[] = [];
  const group = new GroupCommit(async (writes) => {
    const made = { committed: deferred(), flushed: deferred() };
    commits.push(made);
    writes();
    done.push('|');
    await made.committed.promise;
    return { flushed: made.flushed.promise };
  });
  const write = (name: string): Promise<void> => group.write(() => void done.push(name));
  return { group, write, done, commits };
}

afterEach(() => void vi.useRealTimers());

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
};

test('what is written in one turn shares a commit, and what comes meanwhile the next', async () => {
  const { write, done, commits } = setUp();
  const first = [write('a'), write('b')];
  await turns();
  const second = [write('c'), write('d')];
  await turns();
  expect(done).toEqual(['a', 'b', '|']);
  commits[0]?.committed.resolve();
  await turns();
  expect(done).toEqual(['a', 'b', '|', 'c', 'd', '|']);
  commits[1]?.committed.resolve();
  for (const { flushed } of commits) flushed.resolve();
  await Promise.all([...first, ...second]);
});

test('a write has ended when it is on the disk, and the next commit does not wait for that', async () => {
  const { write, done, commits } = setUp();
  let hasEnded = false;
  const first = write('a').then(() => (hasEnded = true));
  await turns();
  commits[0]?.committed.resolve();
  void write('b');
  await turns();
  expect([done, hasEnded]).toEqual([['a', '|', 'b', '|'], false]);
  commits[0]?.flushed.resolve();
  await first;
  expect(hasEnded).toBe(true);
});

test('it is idle when nothing waits to be committed', async () => {
  const { group, write, commits } = setUp();
  await group.idle();
  const written = [write('a')];
  await turns();
  written.push(write('b'));
  let isIdle = false;
  const idle = group.idle().then(() => (isIdle = true));
  commits[0]?.committed.resolve();
  await turns();
  expect(isIdle).toBe(false);
  commits[1]?.committed.resolve();
  await idle;
  for (const { flushed } of commits) flushed.resolve();
  await Promise.all(written);
});

test('none is left behind, at whichever moment it comes', async () => {
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

test('a commit that fails, or does not reach the disk, fails all of its writes and no later one', async () => {
  const { write, commits } = setUp();
  const first = [write('a'), write('b')];
  await turns();
  const second = [write('c')];
  commits[0]?.committed.reject(new Error('no commit'));
  for (const each of first) await expect(each).rejects.toThrow('no commit');
  await turns();
  commits[1]?.committed.resolve();
  commits[1]?.flushed.reject(new Error('no disk'));
  await expect(second[0]).rejects.toThrow('no disk');
  const third = write('d');
  await turns();
  commits[2]?.committed.resolve();
  commits[2]?.flushed.resolve();
  await third;
});

test('what is in no hurry comes along with the next write, and is not committed for itself alone', async () => {
  const { group, write, done, commits } = setUp();
  let hasEnded = false;
  const later = group.write(() => void done.push('later'), 'soon').then(() => (hasEnded = true));
  await turns();
  expect(commits).toHaveLength(0);
  const first = write('a');
  await turns();
  expect(done).toEqual(['later', 'a', '|']);
  void group.write(() => void done.push('after'), 'soon');
  commits[0]?.committed.resolve();
  await turns();
  expect([commits.length, hasEnded], 'nor when the one before has ended').toEqual([1, false]);
  commits[0]?.flushed.resolve();
  await Promise.all([first, later]);
  const idle = group.idle();
  await turns();
  expect(done).toEqual(['later', 'a', '|', 'after', '|']);
  commits[1]?.committed.resolve();
  commits[1]?.flushed.resolve();
  await idle;
});

test('where nothing else is written it is committed in a moment', async () => {
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

test('what comes until the transaction has begun shares it', async () => {
  const begun = deferred();
  const commits: string[][] = [];
  const group = new GroupCommit(async (writes) => {
    commits.push([]);
    await begun.promise;
    writes();
    return { flushed: Promise.resolve() };
  });
  const write = (name: string): Promise<void> => group.write(() => void commits.at(-1)?.push(name));
  const first = write('a');
  await turns();
  const second = write('b');
  begun.resolve();
  await Promise.all([first, second]);
  expect(commits).toEqual([['a', 'b']]);
});

test('where no transaction can be begun, all that wait for it fail', async () => {
  let fails = true;
  const group = new GroupCommit(async (writes) => {
    if (fails) throw new Error('no transaction');
    writes();
    return { flushed: Promise.resolve() };
  });
  const refused = [group.write(() => {}), group.write(() => {}, 'soon')];
  for (const each of refused) await expect(each).rejects.toThrow('no transaction');
  fails = false;
  await group.write(() => {});
});

test('a commit that does not end fails its writes in time, and those that wait for it are not done', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const done: string[] = [];
  const commits: Made[] = [];
  const group = new GroupCommit(
    async (writes) => {
      const made = { committed: deferred(), flushed: deferred() };
      commits.push(made);
      writes();
      await made.committed.promise;
      return { flushed: made.flushed.promise };
    },
    { timeoutMs: 5_000 },
  );
  const failures: string[] = [];
  const write = (name: string): void => {
    group.write(() => void done.push(name)).catch((error: unknown) => failures.push(`${name}: ${String(error)}`));
  };
  write('a');
  await turns();
  write('b');
  vi.advanceTimersByTime(4_999);
  await turns();
  expect(failures).toEqual([]);
  vi.advanceTimersByTime(1);
  await turns();
  expect(failures).toEqual(['a: Error: no answer within 5000 ms', 'b: Error: no answer within 5000 ms']);
  write('c');
  vi.advanceTimersByTime(5_000);
  await turns();
  expect(failures[2]).toBe('c: Error: no answer within 5000 ms');
  commits[0]?.committed.resolve();
  await turns();
  const after = group.write(() => void done.push('d'));
  await turns();
  for (const { committed, flushed } of commits) {
    committed.resolve();
    flushed.resolve();
  }
  await after;
  expect(done).toEqual(['a', 'd']);
  expect(failures).toHaveLength(3);
});

test('it is not waited for where a commit does not end', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const group = new GroupCommit(() => new Promise(() => {}), { timeoutMs: 5_000 });
  group.write(() => {}).catch(() => {});
  const failure = group.idle().catch(String);
  await turns();
  vi.advanceTimersByTime(5_000);
  expect(await failure).toBe('Error: no answer within 5000 ms');
});

test('a flush that does not end fails its writes in time', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const group = new GroupCommit(
    async (writes) => {
      writes();
      return { flushed: new Promise<void>(() => {}) };
    },
    { timeoutMs: 5_000 },
  );
  const failure = group.write(() => {}).catch(String);
  await turns();
  vi.advanceTimersByTime(5_000);
  expect(await failure).toBe('Error: no answer within 5000 ms');
});

test('what takes long to write goes into several commits, in order, before what comes meanwhile', async () => {
  const commits: string[][] = [];
  const group = new GroupCommit(async (writes) => {
    commits.push([]);
    writes();
    return { flushed: Promise.resolve() };
  });
  const write = (name: string): Promise<void> =>
    group.write(() => {
      for (const begun = performance.now(); performance.now() - begun < 6;);
      commits.at(-1)?.push(name);
      if (name === 'a') late = group.write(() => void commits.at(-1)?.push('late'), 'soon');
    });
  let late = Promise.resolve();
  await Promise.all(['a', 'b', 'c', 'd', 'e'].map(write));
  await late;
  expect(commits.flat()).toEqual(['a', 'b', 'c', 'd', 'e', 'late']);
  expect(commits.length).toBeGreaterThan(2);
});
