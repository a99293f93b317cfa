import { copyFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { OPEN_FILE_PROBLEM } from '../../../src/store/lmdb/lmdb-file-error.js';
import { FakeWorld } from '../../kit/fake-world.js';
import { repeatDelivery } from '../../kit/repeat-delivery.js';
import { startSubscriber } from '../../kit/start-subscriber.js';
import { statsOf } from '../../kit/stats-of.js';
import { temporaryDirectory } from '../../kit/temporary-directory.js';

/** Milliseconds between heartbeats of the store's owner. */
const HEARTBEAT_MS = 10_000;

afterEach(() => void vi.useRealTimers());

/** A service with an LMDB store, and the store's file. */
async function setUp(mode: 'inline' | 'queued') {
  // Only for the heartbeat: hubs and handlers run in real time.
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const directory = temporaryDirectory();
  const world = new FakeWorld();
  const handled: string[] = [];
  const subscriber = await startSubscriber((event) => void handled.push(event.text()), {
    world,
    delivery: { mode },
    options: { store: `lmdb://${directory}` },
  });
  const file = join(directory, 'data.mdb');
  const heartbeat = async (): Promise<void> => {
    await vi.advanceTimersByTimeAsync(HEARTBEAT_MS);
  };
  const problems = () => world.logged('store.unusable');
  return { ...subscriber, world, handled, directory, file, heartbeat, problems };
}

describe.each(['inline', 'queued'] as const)('a service (%s) whose LMDB file is lost while it is open', (mode) => {
  test('C7 answers each delivery with 503 from the next heartbeat on, until the removed file is back', async () => {
    const { publish, handled, file, heartbeat, problems, world, runtime, startAgain } = await setUp(mode);
    expect((await publish('before')).status).toBe(202);
    await expect.poll(() => handled).toEqual(['before']);
    renameSync(file, `${file}.away`);
    await heartbeat();
    await expect
      .poll(problems)
      .toMatchObject([
        { level: 'error', message: expect.stringContaining(OPEN_FILE_PROBLEM.missing(file)), fields: { refused: 0 } },
      ]);
    const refusedDelivery = await publish('while it is gone');
    expect(refusedDelivery.status).toBe(503);
    expect(Number(refusedDelivery.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await repeatDelivery(refusedDelivery.sent)).status, 'at every redelivery').toBe(503);
    expect(world.logged('delivery.not-stored').length).toBeGreaterThan(0);
    expect(handled).toEqual(['before']);
    expect((await statsOf(runtime))?.refused).toBe(2);

    renameSync(`${file}.away`, file);
    await expect.poll(async () => (await repeatDelivery(refusedDelivery.sent)).status).toBe(202);
    expect(world.logged('store.usable')).toHaveLength(1);
    await runtime.stop();
    await startAgain();
    await expect.poll(() => handled).toEqual(['before', 'while it is gone']);
  });

  test('C7 answers each delivery with 503 after the file was replaced, until a restart uses the new file', async () => {
    const { publish, handled, file, heartbeat, problems, world, runtime, startAgain } = await setUp(mode);
    copyFileSync(file, `${file}.backup`);
    renameSync(`${file}.backup`, file);
    await heartbeat();
    await expect.poll(() => problems().length).toBe(1);
    expect(problems()[0]?.message).toContain(OPEN_FILE_PROBLEM.replaced(file));
    const refusedDelivery = await publish('while it is another');
    expect(refusedDelivery.status).toBe(503);
    await heartbeat();
    expect((await repeatDelivery(refusedDelivery.sent)).status).toBe(503);
    expect(problems()).toHaveLength(1);
    await runtime.stop();
    // The copy names this process as its owner. An owner without heartbeats counts as gone after a time.
    world.advance(60_000);
    await startAgain();
    expect((await repeatDelivery(refusedDelivery.sent)).status).toBe(202);
    await expect.poll(() => handled).toEqual(['while it is another']);
  });
});

test('C7 an event that must be stored gets 503 once the LMDB file is gone, even before a heartbeat', async () => {
  const { publish, file, handled } = await setUp('queued');
  expect((await publish('before')).status).toBe(202);
  await expect.poll(() => handled).toEqual(['before']);
  rmSync(file);
  expect((await publish('after')).status).toBe(503);
});
