import { copyFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { FakeWorld } from '../../kit/fake-world.js';
import { repeatDelivery } from '../../kit/repeat-delivery.js';
import { startSubscriber } from '../../kit/start-subscriber.js';
import { statsOf } from '../../kit/stats-of.js';
import { temporaryDirectory } from '../../kit/temporary-directory.js';

/** Milliseconds between heartbeats of the store's owner. */
const HEARTBEAT_MS = 10_000;

afterEach(() => void vi.useRealTimers());

/** A service with an LMDB store, and the store's file. */
async function stored(mode: 'inline' | 'queued') {
  // Only for the heartbeat: hubs and handlers run in real time.
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const directory = temporaryDirectory();
  const world = new FakeWorld();
  const handled: string[] = [];
  const set = await startSubscriber((event) => void handled.push(event.text()), {
    world,
    delivery: { mode },
    options: { store: `lmdb://${directory}` },
  });
  const file = join(directory, 'data.mdb');
  const beat = async (): Promise<void> => {
    await vi.advanceTimersByTimeAsync(HEARTBEAT_MS);
  };
  const problems = () => world.logged('the store cannot be used').map(({ level, message }) => `${level}: ${message}`);
  return { ...set, world, handled, directory, file, beat, problems };
}

describe.each(['inline', 'queued'] as const)('an LMDB store that loses its file while it is open, %s', (mode) => {
  test('C7 file removed: after a heartbeat each delivery gets 503 until the file is back', async () => {
    const { publish, handled, file, beat, problems, world, runtime, startAgain } = await stored(mode);
    expect((await publish('before')).status).toBe(202);
    await expect.poll(() => handled).toEqual(['before']);
    renameSync(file, `${file}.away`);
    await beat();
    await expect
      .poll(problems)
      .toEqual([
        `error: the store cannot be used: ${file} is gone. Put it back, or restart to begin with an empty store`,
      ]);
    const refused = await publish('while it is gone');
    expect(refused.status).toBe(503);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await repeatDelivery(refused.sent)).status, 'as often as it comes').toBe(503);
    expect(world.logged('an event cannot be stored: 503').length).toBeGreaterThan(0);
    expect(handled).toEqual(['before']);
    expect((await statsOf(runtime))?.refused).toBe(2);

    renameSync(`${file}.away`, file);
    await expect.poll(async () => (await repeatDelivery(refused.sent)).status).toBe(202);
    expect(world.logged('the store can be used again')).toHaveLength(1);
    await runtime.stop();
    await startAgain();
    await expect.poll(() => handled).toEqual(['before', 'while it is gone']);
  });

  test('C7 file replaced: each delivery gets 503 until a restart, which uses the new file', async () => {
    const { publish, handled, file, beat, problems, world, runtime, startAgain } = await stored(mode);
    copyFileSync(file, `${file}.backup`);
    renameSync(`${file}.backup`, file);
    await beat();
    await expect.poll(() => problems().length).toBe(1);
    expect(problems()[0]).toContain(`${file} was replaced by another file. Put the first one back, or restart`);
    const refused = await publish('while it is another');
    expect(refused.status).toBe(503);
    await beat();
    expect((await repeatDelivery(refused.sent)).status).toBe(503);
    expect(problems()).toHaveLength(1);
    await runtime.stop();
    // The copy names this process as its owner, which counts as gone after enough silence.
    world.advance(60_000);
    await startAgain();
    expect((await repeatDelivery(refused.sent)).status).toBe(202);
    await expect.poll(() => handled).toEqual(['while it is another']);
  });
});

test('C7 an event that must be stored is not acknowledged once the file is gone, even before a heartbeat', async () => {
  const { publish, file, handled } = await stored('queued');
  expect((await publish('before')).status).toBe(202);
  await expect.poll(() => handled).toEqual(['before']);
  rmSync(file);
  expect((await publish('after')).status).toBe(503);
});
