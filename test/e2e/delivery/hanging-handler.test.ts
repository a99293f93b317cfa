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
  const set = await startSubscriber(
    (event) => {
      events.push(event);
      return hangs.has(event.text()) ? new Promise<void>(() => {}) : undefined;
    },
    { world, delivery, options },
  );
  const runs = (): readonly string[] => events.map((event) => `${event.text()} ${event.attempt}`);
  return { ...set, world, events, hangs, runs };
}

describe('a handler that never returns', () => {
  test('C9 inline: the hub gets 202 after `ackAfterMs`, the event is stored, and no second run starts', async () => {
    const { publish, store, world, runs, hub } = await hanging(['stuck'], { options: { gracefulShutdownSeconds: 0 } });
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    let status: number | undefined;
    const published = publish('stuck').then((delivery) => (status = delivery.status));
    await hub.until(() => runs().length === 1);
    // Real time passes as well.
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

  test('C9 inline: it takes one place of `maxPending`, and none of `concurrency`', async () => {
    const delivery = { ackAfterMs: 0, concurrency: 1, maxPending: 2 };
    const { publish, runs } = await hanging(['a', 'b'], { delivery, options: { gracefulShutdownSeconds: 0 } });
    const answers = [];
    for (const text of ['a', 'b', 'c']) answers.push((await publish(text)).status);
    expect(answers).toEqual([202, 202, 503]);
    expect(runs()).toEqual(['a 1', 'b 1']);
  });

  test('C9 queued: it keeps its place of `concurrency`, and other events use the rest', async () => {
    const { publish, hub, runs, store } = await hanging(['stuck'], {
      delivery: { mode: 'queued', concurrency: 2 },
      options: { gracefulShutdownSeconds: 0 },
    });
    const texts = ['stuck', 'b', 'c', 'd', 'e'];
    for (const text of texts) expect((await publish(text)).status).toBe(202);
    await hub.until(() => store.events.length === 1);
    expect(runs()).toEqual(texts.map((text) => `${text} 1`));
  });

  test('C7 queued: with all places taken, events wait in the store, and above `maxPending` the hub gets 503', async () => {
    const set = await hanging(['a', 'b'], {
      delivery: { mode: 'queued', concurrency: 2, maxPending: 4 },
      options: { gracefulShutdownSeconds: 0 },
    });
    const { publish, startAgain, runtime, store, world, hangs, runs, hub } = set;
    const answers = [];
    for (const text of ['a', 'b', 'c', 'd', 'e']) answers.push((await publish(text)).status);
    expect(answers).toEqual([202, 202, 202, 202, 503]);
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
    ['inline, after the answer to the hub', 'inline', 5_000],
    ['inline, while the hub waits', 'inline', 600_000],
    ['queued', 'queued', 5_000],
  ] as const)(
    'C9 %s: a stop ends within `gracefulShutdownSeconds`, aborts its signal, and the event is delivered again',
    async (_what, mode, ackAfterMs) => {
      const set = await hanging(['stuck'], {
        delivery: { mode, ackAfterMs },
        options: { gracefulShutdownSeconds: 20 },
      });
      const { publish, runtime, startAgain, world, events, hangs, runs, hub, store } = set;
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
      expect(world.logged('handlers are still at work')).toHaveLength(1);
      expect(store.events).toHaveLength(1);
      hangs.clear();
      await startAgain();
      world.advance(0);
      await hub.until(() => store.events.length === 0);
      expect(runs(), 'it was cut off, which is no failure').toEqual(['stuck 1', 'stuck 1']);
    },
  );
});
