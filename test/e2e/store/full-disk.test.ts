import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { deferred } from '../../kit/deferred.js';
import { FakeWorld } from '../../kit/fake-world.js';
import { failureOf } from '../../kit/failure-of.js';
import { repeatDelivery } from '../../kit/repeat-delivery.js';
import { untilIdle } from '../../kit/until-idle.js';
import { startSubscriber, type SubscriberOptions } from '../../kit/start-subscriber.js';
import { statsOf } from '../../kit/stats-of.js';
import { StoreError } from 'websub-subscriber';

/** Undefined if a file system can be mounted, which needs root; otherwise the reason. */
const mountFailure = ((): string | undefined => {
  try {
    unmount(mount());
    return undefined;
  } catch (error) {
    return String(error).split('\n')[0];
  }
})();

function mount(): string {
  const directory = mkdtempSync(join(tmpdir(), 'websub-disk-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', directory], { stdio: 'pipe' });
  return directory;
}

function unmount(directory: string): void {
  // Open files keep the file system until they are closed.
  execFileSync('umount', ['--lazy', directory], { stdio: 'pipe' });
  rmSync(directory, { recursive: true });
}

/** A disk of 4 MiB with a file that fills it. */
class SmallDisk {
  readonly directory = mount();
  readonly #ballast = join(this.directory, 'ballast');

  /** @param freeBytes bytes that stay free */
  fill(freeBytes = 0): void {
    const file = openSync(this.#ballast, 'w');
    try {
      while (this.free > freeBytes) writeSync(file, Buffer.alloc(4_096));
    } finally {
      closeSync(file);
    }
  }

  get free(): number {
    const { bavail, bsize } = statfsSync(this.directory);
    return bavail * bsize;
  }

  makeSpace(): void {
    rmSync(this.#ballast);
  }
}

const MIB = 1024 * 1024;

/** Longer than the free space in the file of LMDB. */
const LONG = 'x'.repeat(600_000);

const MODES = [
  ['queued', { mode: 'queued' }, () => undefined],
  ['inline, when the handler fails', {}, (attempt: number) => (attempt === 1 ? 'fails' : undefined)],
  ['inline, when the handler is slow', { ackAfterMs: 1 }, (attempt: number) => (attempt === 1 ? 'waits' : undefined)],
] as const;

/**
 * Starts a service. Its handler fails or waits if `behaviorOf` says so for the attempt, and otherwise succeeds. With
 * `state.alwaysSucceeds` it always succeeds.
 */
async function setUp(
  behaviorOf: (attempt: number) => 'fails' | 'waits' | undefined,
  { delivery = {}, options = {} }: SubscriberOptions,
) {
  const world = new FakeWorld();
  const state = { alwaysSucceeds: false };
  const handled: string[] = [];
  const subscriber = await startSubscriber(
    async (event) => {
      const behavior = state.alwaysSucceeds ? undefined : behaviorOf(event.attempt);
      if (behavior === 'fails') throw new Error('not now');
      if (behavior === 'waits') await new Promise<void>(() => {});
      handled.push(event.text().slice(0, 10));
    },
    { world, delivery, options: { gracefulShutdownSeconds: 0, ...options } },
  );
  return { ...subscriber, world, state, handled };
}

describe.skipIf(mountFailure !== undefined)(
  `a service on a full disk${mountFailure === undefined ? '' : ` (not tested: ${mountFailure})`}`,
  () => {
    test.each(MODES)(
      'C7 answers 503, loses no stored event, and accepts events when there is space again (%s)',
      async (_mode, delivery, behaviorOf) => {
        const disk = new SmallDisk();
        onTestFinished(() => unmount(disk.directory));
        const options = { store: `lmdb://${join(disk.directory, 'store')}` };
        const subscriber = await setUp(behaviorOf, { delivery: { concurrency: 1, ...delivery }, options });
        const { publish, runtime, startAgain, state, handled, world } = subscriber;
        const isQueued = 'mode' in delivery;
        expect((await publish('before')).status).toBe(202);
        await expect.poll(() => handled).toEqual(isQueued ? ['before'] : []);

        disk.fill();
        const refusedDelivery = await publish(LONG);
        expect(refusedDelivery.status).toBe(503);
        expect(Number(refusedDelivery.headers.get('retry-after'))).toBeGreaterThan(0);
        expect(world.logged('delivery.not-stored').length).toBeGreaterThan(0);
        expect(String(world.logged('delivery.not-stored')[0]?.fields['err'])).toMatch(/space/i);
        expect((await repeatDelivery(refusedDelivery.sent)).status, 'at every redelivery').toBe(503);

        disk.makeSpace();
        expect((await repeatDelivery(refusedDelivery.sent)).status).toBe(202);
        await runtime.stop();
        state.alwaysSucceeds = true;
        await startAgain();
        world.advance(3_600_000);
        await expect.poll(() => handled.toSorted()).toEqual(['before', LONG.slice(0, 10)]);
        await untilIdle();
        expect(handled).toHaveLength(2);
      },
    );

    test('C7 processes and removes the events that filled the disk, and then accepts another', async () => {
      const disk = new SmallDisk();
      onTestFinished(() => unmount(disk.directory));
      const options = { store: `lmdb://${join(disk.directory, 'store')}` };
      const gate = deferred();
      const handled: number[] = [];
      const subscriber = await startSubscriber(
        async (event) => {
          await gate.promise;
          handled.push(event.raw.byteLength);
        },
        { delivery: { mode: 'queued' }, options },
      );
      const answers: number[] = [];
      while (answers.at(-1) !== 503 && answers.length < 10) {
        answers.push((await subscriber.publish(LONG)).status ?? 0);
      }
      expect(answers.at(-1)).toBe(503);
      expect(answers.length).toBeGreaterThan(2);
      gate.resolve();
      await expect.poll(() => handled).toHaveLength(answers.length - 1);
      await expect.poll(async () => (await subscriber.publish('news')).status).toBe(202);
    });

    test('C7 reuses the space of processed short events, although the store file does not shrink', async () => {
      const disk = new SmallDisk();
      onTestFinished(() => unmount(disk.directory));
      const gate = deferred();
      let handled = 0;
      const subscriber = await startSubscriber(
        async () => {
          await gate.promise;
          handled += 1;
        },
        { delivery: { mode: 'queued' }, options: { store: `lmdb://${join(disk.directory, 'store')}` } },
      );
      const body = 'x'.repeat(20_000);
      let stored = 0;
      while ((await subscriber.publish(body)).status === 202) stored += 1;
      expect(stored).toBeGreaterThan(20);
      expect(disk.free).toBeGreaterThan(MIB);
      const freeBefore = disk.free;
      gate.resolve();
      await expect.poll(() => handled).toBe(stored);
      const moreEvents = Math.floor(stored / 3);
      for (let count = 0; count < moreEvents; count += 1) {
        await expect.poll(async () => (await subscriber.publish(body)).status).toBe(202);
      }
      expect(disk.free).toBeGreaterThan(MIB);
      expect(disk.free).toBeLessThanOrEqual(freeBefore);
    });

    test('C7 starts with 1 MiB free, processes stored events, and answers 503 until there is space', async () => {
      const disk = new SmallDisk();
      onTestFinished(() => unmount(disk.directory));
      const options = { store: `lmdb://${join(disk.directory, 'store')}` };
      const subscriber = await setUp(() => 'fails', { delivery: { mode: 'queued' }, options });
      const { publish, runtime, startAgain, state, handled, world } = subscriber;
      for (let count = 0; count < 30; count += 1) expect((await publish(`event ${count}`)).status).toBe(202);
      await runtime.stop();
      state.alwaysSucceeds = true;
      disk.fill(MIB);
      expect(disk.free).toBe(MIB);
      await startAgain();
      world.advance(3_600_000);
      await expect.poll(() => new Set(handled).size).toBe(30);
      const refusedDelivery = await publish('while the disk is full');
      expect(refusedDelivery.status).toBe(503);
      disk.makeSpace();
      await expect.poll(async () => (await repeatDelivery(refusedDelivery.sent)).status).toBe(202);
      await expect.poll(() => handled.at(-1)).toBe('while the ');
    });

    test.each([0, 4_096, MIB - 4_096])(
      'fails to start with %i bytes free, and the StoreError names the free and the needed bytes',
      async (freeBytes) => {
        const disk = new SmallDisk();
        onTestFinished(() => unmount(disk.directory));
        const options = { store: `lmdb://${join(disk.directory, 'store')}` };
        const { runtime, startAgain, publish } = await startSubscriber(() => {}, {
          delivery: { mode: 'queued' },
          options,
        });
        await runtime.stop();
        disk.fill(freeBytes);
        const error = await failureOf(startAgain());
        expect(error).toBeInstanceOf(StoreError);
        expect(error.message).toContain(
          `no space left on the device: ${freeBytes} bytes are free; at least ${MIB} are needed.`,
        );
        disk.makeSpace();
        await startAgain();
        expect((await publish()).status).toBe(202);
      },
    );

    test('C7 still retries an event whose handler failed while the disk was full', async () => {
      const disk = new SmallDisk();
      onTestFinished(() => unmount(disk.directory));
      const options = { store: `lmdb://${join(disk.directory, 'store')}` };
      const subscriber = await setUp((attempt) => (attempt < 3 ? 'fails' : undefined), {
        delivery: { mode: 'queued', order: 'subscription' },
        options,
      });
      const { publish, handled, world } = subscriber;
      expect((await publish(LONG)).status).toBe(202);
      await expect.poll(() => world.logged('event.retry-scheduled').length).toBe(1);
      disk.fill();
      world.advance(1_000);
      await expect.poll(async () => (await statsOf(subscriber.runtime))?.failed).toBe(2);
      await expect.poll(() => world.logged('event.result-not-stored').length).toBe(1);
      expect(world.logged('event.retry-scheduled')).toHaveLength(1);
      disk.makeSpace();
      await expect
        .poll(async () => {
          world.advance(60_000);
          await untilIdle();
          return handled;
        })
        .toEqual([LONG.slice(0, 10)]);
    });
  },
);

describe('a service whose store has no space left', () => {
  test.each(MODES)(
    'C7 answers 503, and processes the redelivery when there is space again (%s)',
    async (_mode, delivery, behaviorOf) => {
      const { store, publish, runtime, startAgain, state, handled, world } = await setUp(behaviorOf, { delivery });
      store.failure = () =>
        Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC', syscall: 'write' });
      expect((await publish('before')).status).toBe(202);
      store.faults = new Set(['set', 'delete']);
      const refusedDelivery = await publish('refused');
      expect(refusedDelivery.status).toBe(503);
      expect(String(world.logged('delivery.not-stored')[0]?.fields['err'])).toMatch('ENOSPC');
      store.faults = new Set();
      expect((await repeatDelivery(refusedDelivery.sent)).status).toBe(202);
      await runtime.stop();
      state.alwaysSucceeds = true;
      await startAgain();
      world.advance(3_600_000);
      await expect.poll(() => handled.toSorted()).toEqual(['before', 'refused']);
      await expect.poll(() => store.events).toEqual([]);
    },
  );
});
