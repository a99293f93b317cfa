import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Keyv } from 'keyv';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { StoreError } from '../../../src/errors.js';
import { openStore } from '../../../src/store/open-store.js';
import { acquireOwnerLock } from '../../../src/store/owner/owner-lock.js';
import { encodeOwner } from '../../../src/store/owner/owner-record.js';
import { thisProcess } from '../../../src/store/owner/process-identity.js';
import type { RecordStore } from '../../../src/store/record-store.js';
import { waitForOwnerLock, type OwnerLockWaitOptions } from '../../../src/store/owner/wait-for-owner-lock.js';
import { answers, mysql, postgres, redis } from '../../contract/servers.js';
import { recordingLogger } from '../../kit/recording-logger.js';
import { failureOf } from '../../kit/failure-of.js';
import { runFixture } from '../../kit/run-fixture.js';
import { temporaryDirectory } from '../../kit/temporary-directory.js';

const directory = temporaryDirectory(afterAll);

const lockOptions = { now: Date.now, onLost: () => undefined };

async function openForTest(uri: string | Keyv, namespace?: string): Promise<RecordStore> {
  const store = await openStore(uri, { directory, namespace });
  onTestFinished(async () => {
    // A killed process leaves its record behind.
    await store.delete('owner', 'runtime');
    await store.close();
  });
  return store;
}

/** Starts waiting for another process. `waitStarted` resolves once the wait has started. */
function startWaiting(store: RecordStore, waitMs: number) {
  const logger = recordingLogger();
  let markStarted = (): void => {};
  const waitStarted = new Promise<void>((resolve) => {
    markStarted = resolve;
  });
  const pause = (milliseconds: number): Promise<void> => {
    markStarted();
    return delay(milliseconds);
  };
  return { logger, waitStarted, lock: waitForOwnerLock(store, lockOptions, { waitMs, logger, pause }) };
}

const STORES = [
  { name: 'LMDB', uri: `lmdb://${directory}/owned`, isAvailable: true },
  { name: redis.name, uri: redis.uri, isAvailable: await answers(redis) },
  { name: postgres.name, uri: postgres.uri, isAvailable: await answers(postgres) },
  { name: mysql.name, uri: mysql.uri, isAvailable: await answers(mysql) },
];

describe.each(STORES)('waiting for a store in $name that another process owns', ({ uri, isAvailable }) => {
  const namespace = `websub-${randomBytes(6).toString('hex')}`;

  test.runIf(isAvailable).each(['SIGTERM', 'SIGKILL'] as const)('ends when the owner stops by %s', async (signal) => {
    const { child, line, ended } = runFixture('own-store.ts', uri, namespace);
    await line('owner: ');
    const store = await openForTest(uri, namespace);
    const { logger, waitStarted, lock } = startWaiting(store, 30_000);
    await waitStarted;
    expect(logger.lines.map(({ level, event, fields }) => ({ level, event, fields }))).toEqual([
      {
        level: 'info',
        event: 'store.waiting',
        fields: {
          store: store.location,
          ownerPid: child.pid,
          ownerHost: expect.stringMatching(/^\S+$/),
          waitSeconds: expect.toSatisfy((seconds: number) => seconds === 30 || seconds === 29.9),
        },
      },
    ]);
    child.kill(signal);
    const acquired = await lock;
    expect(acquired.owner.pid).toBe(process.pid);
    await ended;
    await acquired.release();
  });

  test.runIf(isAvailable)('ends with an error that says how long it waited, when the owner lives on', async () => {
    const { child, line } = runFixture('own-store.ts', uri, namespace);
    onTestFinished(() => void child.kill('SIGKILL'));
    await line('owner: ');
    const { lock } = startWaiting(await openForTest(uri, namespace), 300);
    const error = await failureOf(lock);
    expect(error).toBeInstanceOf(StoreError);
    expect(error.message).toMatch(
      new RegExp(` is in use by another process \\(pid ${child.pid} on \\S+, since .* within 0\\.3 s\\.$`),
    );
  });
});

describe('waiting for a store', () => {
  /** A store whose owner lives for `ownerLivesMs`. Only pauses advance the clock. */
  async function ownedStore(waitMs: number, ownerLivesMs: number) {
    const store = await openForTest(new Keyv());
    let time = 0;
    const otherProcess = { ...thisProcess(), host: 'other-host pid:[1]', pid: 7 };
    await store.set(
      'owner',
      'runtime',
      encodeOwner({ id: 'another', ...otherProcess, startedAt: 0, heartbeatAt: Date.now() }),
    );
    const logger = recordingLogger();
    const pauses: number[] = [];
    const wait: OwnerLockWaitOptions = {
      waitMs,
      logger,
      elapsed: () => time,
      pause: async (milliseconds) => {
        pauses.push(milliseconds);
        time += milliseconds;
        if (time >= ownerLivesMs) await store.delete('owner', 'runtime');
      },
    };
    return { store, logger, pauses, wait, now: () => time };
  }

  test('ends within 150 ms after the owner has gone', async () => {
    const { store, pauses, wait, now } = await ownedStore(10_000, 1_234);
    const lock = await waitForOwnerLock(store, { ...lockOptions, settleMs: 0 }, wait);
    await lock.release();
    expect(now()).toBeLessThan(1_234 + 150);
    expect(Math.max(...pauses)).toBeLessThanOrEqual(100);
  });

  test('logs when it begins, and once a minute', async () => {
    const { store, logger, wait } = await ownedStore(600_000, 150_000);
    const lock = await waitForOwnerLock(store, { ...lockOptions, settleMs: 0 }, wait);
    await lock.release();
    const owner = { store: store.location, ownerPid: 7, ownerHost: 'other-host' };
    expect(logger.logged('store.waiting').map(({ fields }) => fields)).toEqual([
      { ...owner, waitSeconds: 600 },
      { ...owner, waitSeconds: 540 },
      { ...owner, waitSeconds: 480 },
    ]);
  });

  test('rejects at once and logs nothing if `waitMs` is 0', async () => {
    const { store, logger, pauses, wait } = await ownedStore(0, 1_000);
    const error = await failureOf(waitForOwnerLock(store, lockOptions, wait));
    expect(error.message).toMatch(/is in use by another process \(pid 7 on other-host.* in \d+ s\.$/);
    expect([pauses, logger.lines]).toEqual([[], []]);
  });

  test('rejects at once with any other error', async () => {
    const { store, pauses, wait } = await ownedStore(10_000, 10_000);
    await store.set('owner', 'runtime', { v: 2, data: 'who knows' });
    expect((await failureOf(waitForOwnerLock(store, lockOptions, wait))).message).toContain(
      'The record owner has version 2',
    );
    expect(pauses).toEqual([]);
  });

  test('goes on when another waiter gets the store first', async () => {
    const store = await openForTest('lmdb://shared-wait');
    const first = await acquireOwnerLock(store, lockOptions);
    const wait = { waitMs: 10_000, logger: recordingLogger() };
    const waits = [waitForOwnerLock(store, lockOptions, wait), waitForOwnerLock(store, lockOptions, wait)];
    await first.release();
    const second = await Promise.race(waits);
    await second.release();
    const owners = (await Promise.all(waits)).map(({ owner }) => owner.id);
    expect(new Set([first.owner.id, ...owners]).size).toBe(3);
    await Promise.all(waits.map(async (each) => (await each).release()));
  });
});
