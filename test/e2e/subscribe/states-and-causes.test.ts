import { onTestFinished, describe, expect, it } from 'vitest';
import {
  defineSubscriber,
  SubscriptionDeletedError,
  type FailureCause,
  type SubscriberHandlers,
  type SubscriberRuntime,
  type SubscriberServiceConfig,
  type Subscription,
  type SubscriptionState,
} from 'websub-subscriber';
import { TestHub, type HubFaults, type HubTopic } from 'websub-subscriber/testing';
import { Keyv } from 'keyv';
import { FakeWorld } from '../../kit/fake-world.js';
import { DAY_MS } from '../../kit/durations.js';
import { untilIdle } from '../../kit/until-idle.js';
import { unusedPort } from '../../kit/ports.js';
import { until } from '../../kit/until.js';
import { startHub } from '../../kit/start-hub.js';
import { onlySubscription } from '../../kit/only-subscription.js';

interface Scene {
  readonly world: FakeWorld;
  readonly hub: TestHub;
  readonly topic: HubTopic;
  readonly runtime: SubscriberRuntime;
  /** Reads the only subscription. */
  readonly seen: () => Promise<Subscription>;
  /** Starts the same service again on the same store, like another process. */
  readonly restart: () => Promise<Scene>;
}

interface Setting {
  readonly faults?: HubFaults;
  readonly config?: SubscriberServiceConfig;
  readonly handlers?: Partial<SubscriberHandlers>;
}

async function scene({ faults = {}, config = {}, handlers = {} }: Setting = {}): Promise<Scene> {
  const world = new FakeWorld();
  const hub = await startHub({ now: () => world.now, ...faults });
  const topic = hub.topic('/feed');
  const rows = new Map<string, unknown>();
  const port = await unusedPort();
  const service = defineSubscriber(
    { name: 'News', target: topic.url, secret: 'hush-hush', unsubscribeOnShutdown: false, ...config },
    { onEventNotification() {}, ...handlers },
  );
  const run = async (): Promise<Scene> => {
    const runtime = await world.start(service, { port, store: new Keyv({ store: rows }) });
    onTestFinished(() => runtime.stopNow());
    const seen = (): Promise<Subscription> => onlySubscription(runtime);
    const restart = async (): Promise<Scene> => {
      await runtime.stop();
      return run();
    };
    return { world, hub, topic, runtime, seen, restart };
  };
  return run();
}

const isIn = (seen: Scene['seen'], state: SubscriptionState) => async (): Promise<Subscription | false> => {
  const subscription = await seen();
  return subscription.state === state && subscription;
};

describe('each state is reached:', () => {
  it('requested, while the callbacks are not answered yet', async () => {
    const { createServer } = await import('node:http');
    const world = new FakeWorld();
    const service = defineSubscriber({ name: 'News' }, { onEventNotification() {} });
    const server = createServer();
    const runtime = await world.start(service, { server, publicUrl: 'http://127.0.0.1:1' });
    onTestFinished(() => runtime.stopNow());
    const target = { hub: `http://127.0.0.1:${await unusedPort()}/hub`, topic: 'https://example.com/feed' };
    const subscribing = runtime.subscribe(service, { target });
    expect((await subscribing).state).toBe('requested');
  });

  it('verifying, active, unsubscribing, unsubscribed', async () => {
    const { hub, runtime, seen } = await scene({ faults: { verify: 'never' } });
    await until(isIn(seen, 'verifying'));
    hub.configure({ verify: 'async' });
    const [pending] = hub.subscriptions;
    if (pending !== undefined) await hub.verify(pending);
    const { id } = await until(isIn(seen, 'active'));
    hub.configure({ verify: 'never' });
    expect(await runtime.unsubscribe(id)).toMatchObject({ state: 'unsubscribing', desired: 'unsubscribed' });
    await until(() => hub.requests.some(({ form }) => form.get('hub.mode') === 'unsubscribe'));
    const [leaving] = hub.subscriptions;
    if (leaving !== undefined) await hub.verify(leaving, { mode: 'unsubscribe' });
    await until(isIn(seen, 'unsubscribed'));
  });

  it('expired, after the lease if the hub does not verify again', async () => {
    const { world, hub, runtime, seen } = await scene({ config: { leaseSeconds: 3_600 } });
    await runtime.ready();
    hub.fail(503);
    world.advance(DAY_MS);
    await until(async () => (await seen()).nextAttemptAt !== undefined);
    expect((await seen()).state).toBe('expired');
  });

  it('failed, without a grant after a failed attempt', async () => {
    const { world, seen } = await scene({ faults: { fail: { status: 503 } } });
    const { nextAttemptAt, gaveUp } = await until(isIn(seen, 'failed'));
    expect(nextAttemptAt?.getTime()).toBeGreaterThanOrEqual(world.now + 1_000);
    expect(gaveUp).toBeUndefined();
  });

  it('failed with gaveUp, after maxAttempts and not before', async () => {
    const { world, hub, seen } = await scene({ faults: { fail: { status: 503 } }, config: { maxAttempts: 3 } });
    for (let time = 1; time < 3; time += 1) {
      await until(async () => (await seen()).attempts === time);
      expect((await seen()).gaveUp).toBeUndefined();
      world.advance(3_600_000);
    }
    await until(async () => (await seen()).gaveUp === true);
    expect(await seen()).toMatchObject({ state: 'failed', attempts: 3 });
    const requestCount = hub.requests.length;
    world.advance(365 * DAY_MS);
    await untilIdle();
    expect(hub.requests).toHaveLength(requestCount);
  });
});

describe('stopped, even after restarts, until it is retried:', () => {
  const stopped: readonly (readonly [what: string, Setting, (scene: Scene) => unknown, Partial<Subscription>])[] = [
    [
      "denied, with afterDenial: 'stop'",
      { faults: { deny: 'no' }, config: { afterDenial: 'stop' } },
      async ({ world, seen }) => {
        await until(isIn(seen, 'denied'));
        world.advance(61_000);
        await until(async () => (await seen()).nextAttemptAt === undefined);
      },
      { state: 'denied' },
    ],
    [
      'refused by a handler',
      {
        handlers: {
          onSubscriptionVerification() {
            if (isRefusing) throw new Error('not this one');
          },
        },
      },
      () => {},
      { state: 'failed', gaveUp: true },
    ],
    [
      'deleted',
      {
        handlers: {
          onEventNotification() {
            throw new SubscriptionDeletedError('enough');
          },
        },
      },
      ({ topic }) => topic.publish('the last'),
      { state: 'unsubscribed', desired: 'unsubscribed' },
    ],
    [
      'unsubscribed by the user',
      {},
      async ({ runtime, seen }) => runtime.unsubscribe((await seen()).id),
      { state: 'unsubscribed', desired: 'unsubscribed' },
    ],
  ];
  let isRefusing = true;

  it.each(stopped)('%s', async (what, setting, happens, expected) => {
    isRefusing = true;
    const first = await scene(setting);
    const isGranted = what !== 'refused by a handler' && setting.faults?.deny === undefined;
    if (isGranted) await first.runtime.ready();
    await happens(first);
    await until(async () => (await first.seen()).state === expected.state);
    await first.hub.settled();
    const before = await first.seen();
    const second = await first.restart();
    expect(await second.seen()).toMatchObject({ id: before.id, ...expected });
    const { length } = second.hub.requests;
    second.world.advance(40 * DAY_MS);
    await untilIdle();
    await second.hub.settled();
    expect(second.hub.requests).toHaveLength(length);

    second.hub.configure({ deny: false });
    isRefusing = false;
    await second.runtime.retry(before.id);
    await until(isIn(second.seen, 'active'));
    expect((await second.seen()).failures).toEqual({});
  });
});

describe('each cause of failure has its own count and date:', () => {
  interface Case {
    readonly cause: FailureCause;
    readonly faults?: HubFaults;
    readonly message: RegExp;
    readonly act?: (scene: Scene) => unknown;
  }
  const causes: readonly Case[] = [
    { cause: 'unreachable', message: /./, act: ({ hub }) => hub.close() },
    { cause: 'hub-error', faults: { fail: { status: 503 } }, message: /503/ },
    { cause: 'refused', faults: { fail: { status: 403 } }, message: /403/ },
    { cause: 'verification-missing', faults: { verify: 'never' }, message: /did not verify it in time/ },
    { cause: 'verification-wrong', faults: { verify: 'wrong-topic' }, message: /its hub\.topic is ".*", not "http/ },
    { cause: 'denied', faults: { deny: 'members only' }, message: /members only/ },
  ];

  it.each(causes)('$cause', async ({ cause, faults = {}, message, act }) => {
    const at = await scene({ faults });
    if (act !== undefined) {
      await at.runtime.ready();
      await act(at);
      at.world.advance(9 * DAY_MS);
    }
    // The hub was requested, and its verification is over, before the timeout.
    if (act === undefined) await until(() => at.hub.requests.some(({ method }) => method === 'POST'));
    for (let time = 0; time < 2; time += 1) {
      for (let round = 0; round < 3; round += 1) {
        await untilIdle();
        await at.hub.settled();
      }
      at.world.advance(61_000);
    }
    const { failures, lastError } = await until(async () => {
      const seen = await at.seen();
      return seen.failures[cause] !== undefined && seen;
    });
    expect(failures[cause]?.message).toMatch(message);
    expect(failures[cause]?.lastAt.getTime()).toBeLessThanOrEqual(at.world.now);
    expect(lastError).toMatchObject({ cause, message: failures[cause]?.message });
    expect(JSON.stringify(failures)).not.toContain('hush-hush');
  });

  it('and all counts stay until they are reset', async () => {
    const { world, hub, runtime, seen } = await scene({ faults: { fail: { status: 503, times: 1 }, verify: 'never' } });
    await until(async () => (await seen()).failures['hub-error']?.count === 1);
    world.advance(2_000);
    await until(isIn(seen, 'verifying'));
    world.advance(61_000);
    await until(async () => (await seen()).failures['verification-missing']?.count === 1);
    hub.configure({ verify: 'async' });
    world.advance(10_000);
    const { id, failures } = await until(isIn(seen, 'active'));
    expect(Object.keys(failures).toSorted()).toEqual(['hub-error', 'verification-missing']);
    await runtime.retry(id);
    expect((await seen()).failures).toEqual({});
  });
});

describe('S3 Retry-After of a 429 is respected, for at most a minute more,', () => {
  it.each([
    ['as seconds', (_now: number) => 7_200],
    ['as a date', (now: number) => new Date(now + 7_200_000)],
  ])('%s', async (_form, retryAfter) => {
    const world = new FakeWorld();
    const { hub, seen, ...at } = await scene({ faults: { fail: { status: 429, retryAfter: retryAfter(world.now) } } });
    const { nextAttemptAt } = await until(isIn(seen, 'failed'));
    expect(nextAttemptAt?.getTime()).toBe(at.world.now + 7_230_000);
    hub.configure({ fail: false });
    at.world.advance(7_229_000);
    await untilIdle();
    expect(hub.requests.filter(({ method }) => method === 'POST')).toHaveLength(1);
    at.world.advance(1_000);
    await until(isIn(seen, 'active'));
  });
});
