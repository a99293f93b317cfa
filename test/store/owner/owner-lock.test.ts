import { Keyv } from 'keyv';
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { StoreError } from '../../../src/errors.js';
import { openStore } from '../../../src/store/open-store.js';
import { type AcquireOwnerLockOptions, type OwnerLock, acquireOwnerLock } from '../../../src/store/owner/owner-lock.js';
import { encodeOwner } from '../../../src/store/owner/owner-record.js';
import { type ProcessIdentity, startTimeOf, thisProcess } from '../../../src/store/owner/process-identity.js';
import type { RecordStore } from '../../../src/store/record-store.js';
import { failureOf } from '../../kit/failure-of.js';
import { runFixture } from '../../kit/run-fixture.js';
import { temporaryDirectory } from '../../kit/temporary-directory.js';

const directory = temporaryDirectory(afterAll);

const otherProcess: ProcessIdentity = { pid: 1, host: 'other-host pid:[1]', started: 'boot 1' };

describe('the owner of a store in another process', () => {
  test('is named while it lives, and replaced at once after it was killed', async () => {
    const uri = `lmdb://${directory}/killed`;
    const { child, line, ended } = runFixture('own-store.ts', uri);
    await line('owner: ');
    const store = await openStore(uri);
    const error = await failureOf(acquireOwnerLock(store, { now: Date.now, onLost: () => undefined }));
    expect(error).toBeInstanceOf(StoreError);
    expect(error.message).toMatch(
      new RegExp(
        `^The store lmdb://${directory}/killed is in use by another process \\(pid ${child.pid} on \\S+, since \\d{4}-`,
      ),
    );
    child.kill('SIGKILL');
    expect(await ended).toBe('SIGKILL');
    const lock = await acquireOwnerLock(store, { now: Date.now, onLost: () => undefined });
    expect(lock.owner.pid).toBe(process.pid);
    await lock.release();
    await store.close();
  });

  test('leaves no record after a release', async () => {
    const uri = `lmdb://${directory}/released`;
    const { child, line, ended } = runFixture('own-store.ts', uri);
    await line('owner: ');
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
    const store = await openStore(uri);
    expect(await store.get('owner', 'runtime')).toBeUndefined();
    await store.close();
  });
});

for (const name of ['LMDB', 'a Keyv without transactions'] as const) {
  describe(`the owner of a store in ${name}`, () => {
    let time: number;
    const now = (): number => time;
    let store: RecordStore;
    let locks: OwnerLock[];
    let lostErrors: StoreError[];

    const acquire = async (options: Partial<AcquireOwnerLockOptions> = {}): Promise<OwnerLock> => {
      const lock = await acquireOwnerLock(store, {
        now,
        onLost: (error) => lostErrors.push(error),
        settleMs: 0,
        ...options,
      });
      locks.push(lock);
      return lock;
    };
    const writeOwner = (owner: Partial<ProcessIdentity> & { heartbeatAt?: number }): Promise<void> =>
      store.set(
        'owner',
        'runtime',
        encodeOwner({ id: 'another', ...thisProcess(), startedAt: 1_000, heartbeatAt: now(), ...owner }),
      );

    beforeEach(async () => {
      vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
      time = 1_000_000;
      locks = [];
      lostErrors = [];
      store = await openStore(name === 'LMDB' ? 'lmdb://owners' : new Keyv(), { directory });
    });

    afterEach(async () => {
      vi.useRealTimers();
      await Promise.all(locks.map((lock) => lock.release()));
      await store.delete('owner', 'runtime');
      await store.close();
    });

    test('excludes a second runtime of the same process until it is released', async () => {
      const first = await acquire();
      const error = await failureOf(acquire());
      expect(error).toBeInstanceOf(StoreError);
      expect(error.message).toMatch(
        /is in use by this process \(pid \d+ on .* waitForStoreSeconds, .*\?namespace=name/,
      );
      await first.release();
      await first.release();
      const second = await acquire();
      expect(second.owner.id).not.toBe(first.owner.id);
    });

    test('is only one of several that claim the store at once', async () => {
      const claims = await Promise.allSettled(Array.from({ length: 8 }, () => acquire({ settleMs: 20 })));
      const winners = claims.filter(({ status }) => status === 'fulfilled');
      expect(winners).toHaveLength(1);
      expect(await store.get('owner', 'runtime')).toMatchObject({ data: { id: locks[0]?.owner.id } });
    });

    test('is replaced at once when its process has ended on this host', async () => {
      await writeOwner({ pid: 2 ** 22 - 1 });
      expect((await acquire()).owner.pid).toBe(process.pid);
    });

    test.runIf(process.platform === 'linux')(
      'is replaced at once when its pid belongs to a later process',
      async () => {
        await writeOwner({ pid: process.ppid, started: 'boot 1' });
        expect((await acquire()).owner.pid).toBe(process.pid);
      },
    );

    test.runIf(process.platform === 'linux')(
      'is not replaced while it runs on this host, however old its heartbeat',
      async () => {
        const parent = thisProcess();
        await writeOwner({ ...parent, pid: process.ppid, started: startTimeOf(process.ppid), heartbeatAt: 0 });
        expect((await failureOf(acquire())).message).toContain(`another process (pid ${process.ppid} on`);
      },
    );

    test.each([
      ['on another host', otherProcess],
      ['whose start cannot be known', { pid: process.ppid, started: undefined }],
      ['in this process but without a known lock', {}],
    ])('%s is replaced 30 seconds after its last heartbeat', async (_name, owner) => {
      await writeOwner({ ...owner, heartbeatAt: now() - 29_999 });
      expect(await failureOf(acquire())).toBeInstanceOf(StoreError);
      await writeOwner({ ...owner, heartbeatAt: now() - 30_000 });
      await acquire();
    });

    test('on another host is named with the time until its heartbeat is stale', async () => {
      await writeOwner({ ...otherProcess, heartbeatAt: now() - 10_000 });
      expect((await failureOf(acquire())).message).toMatch(
        /another process \(pid 1 on other-host, since .* in 20 s\.$/,
      );
    });

    test('sends a heartbeat every ten seconds, and restores its record if it is gone', async () => {
      const lock = await acquire();
      await store.delete('owner', 'runtime');
      time = 1_010_000;
      vi.advanceTimersByTime(10_000);
      await vi.waitFor(async () => {
        expect(await store.get('owner', 'runtime')).toMatchObject({
          v: 1,
          data: { id: lock.owner.id, startedAt: 1_000_000, heartbeatAt: 1_010_000 },
        });
      });
      expect(lostErrors).toEqual([]);
    });

    test('is told once that another process took over, and leaves the store to that process', async () => {
      const lock = await acquire();
      await writeOwner(otherProcess);
      vi.advanceTimersByTime(10_000);
      await vi.waitFor(() => {
        expect(lostErrors).toHaveLength(1);
      });
      expect(lostErrors[0]?.message).toMatch(/was taken over by another process \(pid 1 on other-host/);
      vi.advanceTimersByTime(60_000);
      await lock.release();
      expect(lostErrors).toHaveLength(1);
      expect(await store.get('owner', 'runtime')).toMatchObject({ data: { host: otherProcess.host } });
    });

    test('is told that a newer package took over', async () => {
      await acquire();
      await store.set('owner', 'runtime', { v: 2, data: 'who knows' });
      vi.advanceTimersByTime(10_000);
      await vi.waitFor(() => {
        expect(lostErrors[0]?.message).toContain('was taken over by another version of websub-subscriber');
      });
    });

    test('whose record is newer or corrupt causes an error, and the corrupt record stays', async () => {
      await store.set('owner', 'runtime', { v: 2, data: 'who knows' });
      expect((await failureOf(acquire())).message).toContain('The record owner has version 2');
      for (const data of [null, { id: 'x' }, { ...thisProcess(), id: 'x', pid: -1, startedAt: 1, heartbeatAt: 1 }]) {
        await store.set('owner', 'runtime', { v: 1, data });
        expect((await failureOf(acquire())).message).toContain('The record owner is corrupt');
        expect(await store.get('owner', 'runtime')).toEqual({ v: 1, data });
      }
    });

    test('sends the next heartbeat after a failed heartbeat', async () => {
      const workingStore = store;
      let refusals = 0;
      const refuse = (): Promise<never> => {
        refusals += 1;
        return Promise.reject(new StoreError('away'));
      };
      let isAway = false;
      store = {
        ...workingStore,
        get: (kind, id) => (isAway ? refuse() : workingStore.get(kind, id)),
        ...(workingStore.exchange && {
          exchange: (kind, id, decide) => (isAway ? refuse() : (workingStore.exchange?.(kind, id, decide) ?? refuse())),
        }),
      };
      const lock = await acquire();
      isAway = true;
      vi.advanceTimersByTime(10_000);
      expect(refusals).toBe(1);
      isAway = false;
      await new Promise((resolve) => setImmediate(resolve));
      time = 1_020_000;
      vi.advanceTimersByTime(10_000);
      await vi.waitFor(async () => {
        const stored = await store.get('owner', 'runtime');
        expect(stored).toMatchObject({ data: { id: lock.owner.id, heartbeatAt: 1_020_000 } });
      });
      expect(lostErrors).toEqual([]);
    });
  });
}
