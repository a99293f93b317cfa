import { afterEach, describe, expect, test, vi } from 'vitest';
import type { ContentDistributionMessage } from 'websub-subscriber';
import { FakeWorld } from '../../kit/fake-world.js';
import { DAY_MS } from '../../kit/durations.js';
import { untilIdle } from '../../kit/until-idle.js';
import { startSubscriber, type SubscriberOptions } from '../../kit/start-subscriber.js';

afterEach(() => void vi.useRealTimers());

/** A handler that never returns for some texts, and ignores its signal. */
async function hanging(texts: readonly string[], { delivery = {}, options = {} }: SubscriberOptions) {
  const world = new FakeWorld();
  const events: ContentDistributionMessage[] = [];
  const hangs = new Set(texts);
  const subscriber = await startSubscriber(
    (event) => {
      events.push(event);
      return hangs.has(event.text()) ? new Promise<void>(() => {}) : undefined;
    },
    { world, delivery, options },
  );
  const runs = (): readonly string[] => events.map((event) => `${event.text()} ${event.attempt}`);
  return { ...subscriber, world, events, hangs, runs };
}

describe('a handler that never returns', () => {
  test('C9 in inline mode leads to 202 after `ackAfterMs`, and its event is stored and not run again', async () => {
    const { publish, store, world, runs, hub } = await hanging(['stuck'], { options: { gracefulShutdownSeconds: 0 } });
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    let status: number | undefined;
    const published = publish('stuck').then((delivery) => (status = delivery.status));
    await hub.until(() => runs().length === 1);
    // The deadline also counts real time, so a second is left.
    await vi.advanceTimersByTimeAsync(4_000);
    await untilIdle();
    expect([status, store.events.length]).toEqual([undefined, 0]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await published).toBe(202);
    expect(store.events).toHaveLength(1);
    world.advance(DAY_MS);
    await untilIdle();
    expect(runs()).toEqual(['stuck 1']);
    expect((await publish('next')).status).toBe(202);
    vi.useRealTimers();
  });

  test('C9 in inline mode takes a place of `maxPending`, but no place of `concurrency`', async () => {
    const delivery = { ackAfterMs: 0, concurrency: 1, maxPending: 2 };
    const { publish, runs } = await hanging(['a', 'b'], { delivery, options: { gracefulShutdownSeconds: 0 } });
    const statuses = [];
    for (const text of ['a', 'b', 'c']) statuses.push((await publish(text)).status);
    expect(statuses).toEqual([202, 202, 503]);
    expect(runs()).toEqual(['a 1', 'b 1']);
  });

  test('C9 in queued mode does not block other events while `concurrency` has another place', async () => {
    const { publish, hub, runs, store } = await hanging(['stuck'], {
      delivery: { mode: 'queued', concurrency: 2 },
      options: { gracefulShutdownSeconds: 0 },
    });
    const texts = ['stuck', 'b', 'c', 'd', 'e'];
    for (const text of texts) expect((await publish(text)).status).toBe(202);
    await hub.until(() => store.events.length === 1);
    expect(runs()).toEqual(texts.map((text) => `${text} 1`));
  });

  test('C7 in queued mode makes events wait for `concurrency`, and above `maxPending` the hub gets 503', async () => {
    const subscriber = await hanging(['a', 'b'], {
      delivery: { mode: 'queued', concurrency: 2, maxPending: 4 },
      options: { gracefulShutdownSeconds: 0 },
    });
    const { publish, startAgain, runtime, store, world, hangs, runs, hub } = subscriber;
    const statuses = [];
    for (const text of ['a', 'b', 'c', 'd', 'e']) statuses.push((await publish(text)).status);
    expect(statuses).toEqual([202, 202, 202, 202, 503]);
    world.advance(DAY_MS);
    await untilIdle();
    expect(runs()).toEqual(['a 1', 'b 1']);
    hangs.clear();
    await runtime.stop();
    expect(store.events).toHaveLength(4);
    await startAgain();
    world.advance(0);
    await hub.until(() => store.events.length === 0);
    expect(runs().slice(2).toSorted()).toEqual(['a 1', 'b 1', 'c 1', 'd 1']);
    expect((await publish('e')).status).toBe(202);
  });

  test.each([
    ['in inline mode after the answer to the hub', 'inline', 5_000],
    ['in inline mode while the hub waits', 'inline', 600_000],
    ['in queued mode', 'queued', 5_000],
  ] as const)(
    'C9 %s is aborted by a stop within `gracefulShutdownSeconds`, and its event is delivered again',
    async (_what, mode, ackAfterMs) => {
      const subscriber = await hanging(['stuck'], {
        delivery: { mode, ackAfterMs },
        options: { gracefulShutdownSeconds: 20 },
      });
      const { publish, runtime, startAgain, world, events, hangs, runs, hub, store } = subscriber;
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
      const published = publish('stuck');
      await hub.until(() => runs().length === 1);
      const { signal } = events[0] ?? {};
      if (ackAfterMs === 5_000) await vi.advanceTimersByTimeAsync(ackAfterMs);
      let hasStopped = false;
      const stopped = runtime.stop().then(() => (hasStopped = true));
      if (ackAfterMs < 600_000) await published;
      await untilIdle();
      await vi.advanceTimersByTimeAsync(17_999);
      await untilIdle();
      expect([hasStopped, signal?.aborted]).toEqual([false, false]);
      await vi.advanceTimersByTimeAsync(2_001);
      await stopped;
      vi.useRealTimers();
      expect(signal?.aborted).toBe(true);
      expect((await published).status).toBe(202);
      expect(world.logged('shutdown.handlers-running')).toHaveLength(1);
      expect(store.events).toHaveLength(1);
      hangs.clear();
      await startAgain();
      world.advance(0);
      await hub.until(() => store.events.length === 0);
      expect(runs(), 'the aborted run does not count as a failure').toEqual(['stuck 1', 'stuck 1']);
    },
  );
});
