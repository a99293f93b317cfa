import { Keyv } from 'keyv';
import { describe, expect, it, onTestFinished } from 'vitest';
import { defineSubscriber, type Subscription } from 'websub-subscriber';
import { type HubFaults, type ReceivedRequest } from 'websub-subscriber/testing';
import { verification } from '../../kit/subscribed.js';
import { exchange, request } from '../../kit/wire.js';
import { FakeWorld } from '../../kit/fake-world.js';
import { DAY_MS } from '../../kit/durations.js';
import { untilSettled } from '../../kit/until-idle.js';
import { startHub } from '../../kit/start-hub.js';
import { onlySubscription } from '../../kit/only-subscription.js';

const isSubscribing = ({ method, form }: ReceivedRequest): boolean =>
  method === 'POST' && form.get('hub.mode') === 'subscribe';

/** Counts the writes of subscription records, and their length. */
class CountedRows extends Map<string, unknown> {
  writes = 0;
  bytes = 0;

  override set(key: string, value: unknown): this {
    if (key.includes('subscription')) {
      this.writes += 1;
      this.bytes += String(value).length;
    }
    return super.set(key, value);
  }
}

/** A subscription at a hub, and an attacker who knows its callback. */
async function setUp(faults: HubFaults = {}) {
  const world = new FakeWorld();
  const hub = await startHub({ now: () => world.now, leaseSeconds: 864_000, ...faults });
  const topic = hub.topic('/feed');
  const calls = { count: 0 };
  const rows = new CountedRows();
  const service = defineSubscriber(
    {
      name: 'News',
      target: { hub: hub.url, topic: topic.url },
      secret: 'a shared one that is long',
      unsubscribeOnShutdown: false,
    },
    { onEventNotification() {}, onSubscriptionVerification: () => void (calls.count += 1) },
  );
  const runtime = await world.start(service, { store: new Keyv({ store: rows }) });
  onTestFinished(() => runtime.stopNow());
  const subscription = (): Promise<Subscription> => onlySubscription(runtime);
  const settle = (): Promise<void> => untilSettled(hub);
  await hub.until(() => hub.requests.some(isSubscribing));
  await settle();
  const forge = async (changes: Readonly<Record<string, string>> = {}) => {
    const { callback = '' } = await subscription();
    const query = new URLSearchParams(verification(topic.url, changes)).toString();
    return exchange(runtime.port ?? 0, request('GET', `${new URL(callback).pathname}?${query}`));
  };
  const requestCount = (): number => hub.requests.filter(isSubscribing).length;
  return { world, hub, topic, runtime, subscription, settle, forge, requestCount, calls, rows };
}

describe('V9 a forged verification', () => {
  it('with a lease of a year does not change the times of our requests while the hub is down', async () => {
    /** The request times in the first hour, with or without an attacker who sends a verification each second. */
    const requestTimes = async (isForged: boolean): Promise<number[]> => {
      const { world, hub, forge, settle, requestCount, subscription } = await setUp({ fail: { status: 503 } });
      const startedAt = world.now;
      const times: number[] = [];
      const answers = new Set<number>();
      let countBefore = requestCount();
      while (world.now - startedAt < 3_600_000) {
        if (isForged) answers.add((await forge({ 'hub.lease_seconds': '31536000' })).status);
        world.advance(1_000);
        await settle();
        if (requestCount() > countBefore) times.push(world.now - startedAt);
        countBefore = requestCount();
      }
      expect([...answers]).toEqual(isForged ? [200] : []);
      expect((await subscription()).state).toBe(isForged ? 'active' : 'failed');
      hub.configure({ fail: false });
      for (let hour = 0; hour < 2; hour += 1) {
        world.advance(3_600_000);
        await settle();
      }
      expect(await subscription()).toMatchObject({ state: 'active', attempts: 0, leaseSeconds: 864_000 });
      return times;
    };
    const [normalTimes, timesWhenForged] = [await requestTimes(false), await requestTimes(true)];
    expect(normalTimes.length).toBeGreaterThan(5);
    expect(timesWhenForged).toEqual(normalTimes);
  }, 60_000);

  it('V4 with a lease of a second causes at most one renewal an hour, and ends no lease early', async () => {
    const { world, forge, settle, requestCount, subscription } = await setUp();
    const { expiresAt } = await subscription();
    for (let second = 0; second < 1_800; second += 1) {
      expect((await forge({ 'hub.lease_seconds': '1' })).status).toBe(200);
      world.advance(1_000);
      await settle();
    }
    expect(requestCount()).toBeLessThanOrEqual(2);
    expect((await subscription()).state).toBe('active');
    expect(Number((await subscription()).expiresAt)).toBeGreaterThanOrEqual(Number(expiresAt));
  }, 60_000);

  it.each([
    ['after the hub has verified', {}],
    ['while the request is in flight', { delayMs: { answer: 3_000 }, verify: 'never' }],
    ['while the hub has accepted but does not verify', { verify: 'never' }],
  ] as const)('sent 2,000 times %s causes at most two handler calls and five writes', async (_when, faults) => {
    const { forge, calls, rows, settle } = await setUp(faults);
    const before = { calls: calls.count, writes: rows.writes };
    for (let round = 0; round < 20; round += 1) {
      const answers = await Promise.all(Array.from({ length: 100 }, () => forge()));
      expect(answers.every(({ status }) => status === 200)).toBe(true);
    }
    await settle();
    // One handler call for the open request, if any, and one for the unsolicited verifications.
    expect(calls.count - before.calls).toBeLessThanOrEqual(2);
    expect(rows.writes - before.writes).toBeLessThanOrEqual(5);
    expect(rows.bytes).toBeLessThan(20_000);
  });

  it('of an unsubscription is rejected, and causes no write', async () => {
    const { forge, rows, subscription, settle } = await setUp();
    const writesBefore = rows.writes;
    for (let time = 0; time < 200; time += 1) {
      expect((await forge({ 'hub.mode': 'unsubscribe' })).status).toBe(404);
    }
    await settle();
    expect(rows.writes).toBe(writesBefore);
    expect((await subscription()).state).toBe('active');
  });

  it('does not prevent a renewal within ten days', async () => {
    const { world, forge, settle, requestCount } = await setUp({ leaseSeconds: 31_536_000 });
    for (let day = 0; day < 10; day += 1) {
      await forge({ 'hub.lease_seconds': '31536000' });
      world.advance(DAY_MS);
      await settle();
    }
    expect(requestCount()).toBe(2);
  });
});
