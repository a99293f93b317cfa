import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { deferred, FakeWorld } from '../kit/fake-world.js';
import { StoreError } from 'websub-subscriber';
import { failureOf } from '../kit/world.js';
import { again, quiet, setUp, statsOf, type SetUp } from '../kit/news-service.js';

/** Undefined where a file system can be mounted, which needs root; else why not. */
const refusal = ((): string | undefined => {
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
  // What is still open there keeps it until it is closed.
  execFileSync('umount', ['--lazy', directory], { stdio: 'pipe' });
  rmSync(directory, { recursive: true });
}

/** A disk of 4 MiB with a file that takes what is left of it. */
class SmallDisk {
  readonly directory = mount();
  readonly #ballast = join(this.directory, 'ballast');

  /** @param left bytes that stay free */
  fill(left = 0): void {
    const file = openSync(this.#ballast, 'w');
    try {
      while (this.free > left) writeSync(file, Buffer.alloc(4_096));
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

/** Longer than what LMDB has left in its file. */
const LONG = 'x'.repeat(600_000);

const MODES = [
  ['queued', { mode: 'queued' }, () => undefined],
  ['inline, when the handler fails', {}, (attempt: number) => (attempt === 1 ? 'fails' : undefined)],
  ['inline, when the handler is slow', { ackAfterMs: 1 }, (attempt: number) => (attempt === 1 ? 'waits' : undefined)],
] as const;

/** A service whose handler succeeds with what is handed over a second time, and fails or waits at first where it is told to. */
async function service(
  atFirst: (attempt: number) => 'fails' | 'waits' | undefined,
  { delivery = {}, options = {} }: SetUp,
) {
  const world = new FakeWorld();
  const state = { isCalm: false };
  const handled: string[] = [];
  const set = await setUp(
    async (event) => {
      const how = state.isCalm ? undefined : atFirst(event.attempt);
      if (how === 'fails') throw new Error('not now');
      if (how === 'waits') await new Promise<void>(() => {});
      handled.push(event.text().slice(0, 10));
    },
    { world, delivery, options: { gracefulShutdownSeconds: 0, ...options } },
  );
  return { ...set, world, state, handled };
}

describe.skipIf(refusal !== undefined)(
  `a disk that is full${refusal === undefined ? '' : ` (not tested: ${refusal})`}`,
  () => {
    test.each(MODES)(
      'C7 %s: the hub is told 503, nothing stored is lost, and all is well when there is space again',
      async (_what, delivery, atFirst) => {
        const disk = new SmallDisk();
        onTestFinished(() => unmount(disk.directory));
        const options = { store: `lmdb://${join(disk.directory, 'store')}` };
        const set = await service(atFirst, { delivery: { concurrency: 1, ...delivery }, options });
        const { publish, runtime, startAgain, state, handled, world } = set;
        const isQueued = 'mode' in delivery;
        expect((await publish('before')).status).toBe(202);
        await expect.poll(() => handled).toEqual(isQueued ? ['before'] : []);

        disk.fill();
        const refused = await publish(LONG);
        expect(refused.status).toBe(503);
        expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
        expect(world.logged('an event cannot be stored: 503').length).toBeGreaterThan(0);
        expect(String(world.logged('an event cannot be stored: 503')[0]?.fields['err'])).toMatch(/space/i);
        expect((await again(refused.sent)).status, 'as often as it comes').toBe(503);

        disk.makeSpace();
        expect((await again(refused.sent)).status).toBe(202);
        await runtime.stop();
        state.isCalm = true;
        await startAgain();
        world.pass(3_600_000);
        await expect.poll(() => handled.toSorted()).toEqual(['before', LONG.slice(0, 10)]);
        await quiet();
        expect(handled).toHaveLength(2);
      },
    );

    test('C7 filled by events alone it has room for removing them, and so for others', async () => {
      const disk = new SmallDisk();
      onTestFinished(() => unmount(disk.directory));
      const options = { store: `lmdb://${join(disk.directory, 'store')}` };
      const turn = deferred();
      const handled: number[] = [];
      const set = await setUp(
        async (event) => {
          await turn.promise;
          handled.push(event.raw.byteLength);
        },
        { delivery: { mode: 'queued' }, options },
      );
      const answers: number[] = [];
      while (answers.at(-1) !== 503 && answers.length < 10) {
        answers.push((await set.publish(LONG)).status ?? 0);
      }
      expect(answers.at(-1)).toBe(503);
      expect(answers.length).toBeGreaterThan(2);
      turn.resolve();
      await expect.poll(() => handled).toHaveLength(answers.length - 1);
      await expect.poll(async () => (await set.publish('news')).status).toBe(202);
    });

    test('C7 filled by short events alone it takes others when they are worked off, although its file does not become shorter', async () => {
      const disk = new SmallDisk();
      onTestFinished(() => unmount(disk.directory));
      const turn = deferred();
      let handled = 0;
      const set = await setUp(
        async () => {
          await turn.promise;
          handled += 1;
        },
        { delivery: { mode: 'queued' }, options: { store: `lmdb://${join(disk.directory, 'store')}` } },
      );
      const body = 'x'.repeat(20_000);
      let stored = 0;
      while ((await set.publish(body)).status === 202) stored += 1;
      expect(stored).toBeGreaterThan(20);
      expect(disk.free).toBeGreaterThan(MIB);
      const free = disk.free;
      turn.resolve();
      await expect.poll(() => handled).toBe(stored);
      const others = Math.floor(stored / 3);
      for (let count = 0; count < others; count += 1) {
        await expect.poll(async () => (await set.publish(body)).status).toBe(202);
      }
      expect(disk.free).toBeGreaterThan(MIB);
      expect(disk.free).toBeLessThanOrEqual(free);
    });

    test('C7 a start with 1 MiB free works off what is stored, tells hubs 503, and goes on when there is space', async () => {
      const disk = new SmallDisk();
      onTestFinished(() => unmount(disk.directory));
      const options = { store: `lmdb://${join(disk.directory, 'store')}` };
      const set = await service(() => 'fails', { delivery: { mode: 'queued' }, options });
      const { publish, runtime, startAgain, state, handled, world } = set;
      for (let count = 0; count < 30; count += 1) expect((await publish(`event ${count}`)).status).toBe(202);
      await runtime.stop();
      state.isCalm = true;
      disk.fill(MIB);
      expect(disk.free).toBe(MIB);
      await startAgain();
      world.pass(3_600_000);
      await expect.poll(() => new Set(handled).size).toBe(30);
      const refused = await publish('while the disk is full');
      expect(refused.status).toBe(503);
      disk.makeSpace();
      await expect.poll(async () => (await again(refused.sent)).status).toBe(202);
      await expect.poll(() => handled.at(-1)).toBe('while the ');
    });

    test.each([0, 4_096, MIB - 4_096])('a start with %i bytes free is a StoreError that says so', async (left) => {
      const disk = new SmallDisk();
      onTestFinished(() => unmount(disk.directory));
      const options = { store: `lmdb://${join(disk.directory, 'store')}` };
      const { runtime, startAgain, publish } = await setUp(() => {}, { delivery: { mode: 'queued' }, options });
      await runtime.stop();
      disk.fill(left);
      const error = await failureOf(startAgain());
      expect(error).toBeInstanceOf(StoreError);
      expect(error.message).toContain(
        `no space left on the device: ${left} bytes are free, and ${MIB} are needed; make room and start again`,
      );
      disk.makeSpace();
      await startAgain();
      expect((await publish()).status).toBe(202);
    });

    test('C7 a failure that cannot be noted, and an event that cannot be removed, are dealt with when there is space again', async () => {
      const disk = new SmallDisk();
      onTestFinished(() => unmount(disk.directory));
      const options = { store: `lmdb://${join(disk.directory, 'store')}` };
      const set = await service((attempt) => (attempt < 3 ? 'fails' : undefined), {
        delivery: { mode: 'queued', order: 'subscription' },
        options,
      });
      const { publish, handled, world } = set;
      expect((await publish(LONG)).status).toBe(202);
      await expect.poll(() => world.logged('the event is kept').length).toBe(1);
      disk.fill();
      world.pass(1_000);
      await expect.poll(async () => (await statsOf(set.runtime))?.failed).toBe(2);
      await expect
        .poll(() => world.logged('how a handler ended cannot be stored').length + world.logged('is kept').length)
        .toBeGreaterThan(1);
      disk.makeSpace();
      await expect
        .poll(async () => {
          world.pass(60_000);
          await quiet();
          return handled;
        })
        .toEqual([LONG.slice(0, 10)]);
    });
  },
);

describe('a store that has no space left', () => {
  test.each(MODES)(
    'C7 %s: the hub is told 503, and what it sends again is handled',
    async (_what, delivery, atFirst) => {
      const { store, publish, runtime, startAgain, state, handled, world } = await service(atFirst, { delivery });
      store.failure = () =>
        Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC', syscall: 'write' });
      expect((await publish('before')).status).toBe(202);
      store.faults = new Set(['set', 'delete']);
      const refused = await publish('refused');
      expect(refused.status).toBe(503);
      expect(String(world.logged('an event cannot be stored: 503')[0]?.fields['err'])).toMatch('ENOSPC');
      store.faults = new Set();
      expect((await again(refused.sent)).status).toBe(202);
      await runtime.stop();
      state.isCalm = true;
      await startAgain();
      world.pass(3_600_000);
      await expect.poll(() => handled.toSorted()).toEqual(['before', 'refused']);
      await expect.poll(() => store.events).toEqual([]);
    },
  );
});
