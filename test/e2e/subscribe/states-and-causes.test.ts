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
import { untilIdle, untilSettled } from '../../kit/until-idle.js';
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
  readonly snapshot: () => Promise<Subscription>;
  /** Starts the same service again on the same store, like another process. */
  readonly restart: () => Promise<Scene>;
}

interface SetUpOptions {
  readonly faults?: HubFaults;
  readonly config?: SubscriberServiceConfig;
  readonly handlers?: Partial<SubscriberHandlers>;
}

async function setUp({ faults = {}, config = {}, handlers = {} }: SetUpOptions = {}): Promise<Scene> {
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
    const snapshot = (): Promise<Subscription> => onlySubscription(runtime);
    const restart = async (): Promise<Scene> => {
      await runtime.stop();
      return run();
    };
    return { world, hub, topic, runtime, snapshot, restart };
  };
  return run();
}

const isIn = (snapshot: Scene['snapshot'], state: SubscriptionState) => async (): Promise<Subscription | false> => {
  const subscription = await snapshot();
  return subscription.state === state && subscription;
};

describe('the state of a subscription', () => {
  it('is requested while the server of the callbacks does not listen yet', async () => {
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

  it('becomes verifying, active, unsubscribing, and unsubscribed', async () => {
    const { hub, runtime, snapshot } = await setUp({ faults: { verify: 'never' } });
    await until(isIn(snapshot, 'verifying'));
    hub.configure({ verify: 'async' });
    const [pendingAtHub] = hub.subscriptions;
    if (pendingAtHub !== undefined) await hub.verify(pendingAtHub);
    const { id } = await until(isIn(snapshot, 'active'));
    hub.configure({ verify: 'never' });
    expect(await runtime.unsubscribe(id)).toMatchObject({ state: 'unsubscribing', desired: 'unsubscribed' });
    await until(() => hub.requests.some(({ form }) => form.get('hub.mode') === 'unsubscribe'));
    const [atHub] = hub.subscriptions;
    if (atHub !== undefined) await hub.verify(atHub, { mode: 'unsubscribe' });
    await until(isIn(snapshot, 'unsubscribed'));
  });

  it('becomes expired after the lease if the hub fails', async () => {
    const { world, hub, runtime, snapshot } = await setUp({ config: { leaseSeconds: 3_600 } });
    await runtime.ready();
    hub.fail(503);
    world.advance(DAY_MS);
    await until(async () => (await snapshot()).nextAttemptAt !== undefined);
    expect((await snapshot()).state).toBe('expired');
  });

  it('is failed after a failed first attempt, with the time of the next attempt', async () => {
    const { world, snapshot } = await setUp({ faults: { fail: { status: 503 } } });
    const { nextAttemptAt, gaveUp } = await until(isIn(snapshot, 'failed'));
    expect(nextAttemptAt?.getTime()).toBeGreaterThanOrEqual(world.now + 1_000);
    expect(gaveUp).toBeUndefined();
  });

  it('is failed with gaveUp after maxAttempts, and not before', async () => {
    const { world, hub, snapshot } = await setUp({ faults: { fail: { status: 503 } }, config: { maxAttempts: 3 } });
    for (let attempt = 1; attempt < 3; attempt += 1) {
      await until(async () => (await snapshot()).attempts === attempt);
      expect((await snapshot()).gaveUp).toBeUndefined();
      world.advance(3_600_000);
    }
    await until(async () => (await snapshot()).gaveUp === true);
    expect(await snapshot()).toMatchObject({ state: 'failed', attempts: 3 });
    const requestCount = hub.requests.length;
    world.advance(365 * DAY_MS);
    await untilIdle();
    expect(hub.requests).toHaveLength(requestCount);
  });
});

describe('a stopped subscription', () => {
  const cases: readonly (readonly [cause: string, SetUpOptions, (scene: Scene) => unknown, Partial<Subscription>])[] = [
    [
      "denied, with afterDenial: 'stop'",
      { faults: { deny: 'no' }, config: { afterDenial: 'stop' } },
      async ({ world, snapshot }) => {
        await until(isIn(snapshot, 'denied'));
        world.advance(61_000);
        await until(async () => (await snapshot()).nextAttemptAt === undefined);
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
      'deleted by its handler',
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
      async ({ runtime, snapshot }) => runtime.unsubscribe((await snapshot()).id),
      { state: 'unsubscribed', desired: 'unsubscribed' },
    ],
  ];
  let isRefusing = true;

  it.each(cases)('stays stopped after a restart, until it is retried (%s)', async (cause, options, act, expected) => {
    isRefusing = true;
    const first = await setUp(options);
    const isGranted = cause !== 'refused by a handler' && options.faults?.deny === undefined;
    if (isGranted) await first.runtime.ready();
    await act(first);
    await until(async () => (await first.snapshot()).state === expected.state);
    await first.hub.settled();
    const before = await first.snapshot();
    const second = await first.restart();
    expect(await second.snapshot()).toMatchObject({ id: before.id, ...expected });
    const requestCount = second.hub.requests.length;
    second.world.advance(40 * DAY_MS);
    await untilIdle();
    await second.hub.settled();
    expect(second.hub.requests).toHaveLength(requestCount);

    second.hub.configure({ deny: false });
    isRefusing = false;
    await second.runtime.retry(before.id);
    await until(isIn(second.snapshot, 'active'));
    expect((await second.snapshot()).failures).toEqual({});
  });
});

describe('the failures of a subscription', () => {
  interface Case {
    readonly cause: FailureCause;
    readonly faults?: HubFaults;
    readonly message: RegExp;
    /** Milliseconds until the failure. @default 0 */
    readonly afterMs?: number;
    readonly act?: (scene: Scene) => unknown;
  }
  const causes: readonly Case[] = [
    { cause: 'unreachable', message: /ECONNREFUSED/, afterMs: 9 * DAY_MS, act: ({ hub }) => hub.close() },
    { cause: 'hub-error', faults: { fail: { status: 503 } }, message: /503/ },
    { cause: 'refused', faults: { fail: { status: 403 } }, message: /403/ },
    {
      cause: 'verification-missing',
      faults: { verify: 'never' },
      message: /did not verify it in time/,
      afterMs: 61_000,
    },
    {
      cause: 'verification-wrong',
      faults: { verify: 'wrong-topic' },
      message: /hub\.topic is ".*"; it must be "http/,
      afterMs: 61_000,
    },
    { cause: 'denied', faults: { deny: 'members only' }, message: /members only/ },
  ];

  it.each(causes)(
    'contain the count, message and time of a failure, but no secret ($cause)',
    async ({ cause, faults = {}, message, afterMs = 0, act }) => {
      const scene = await setUp({ faults });
      const failsAt = scene.world.now + afterMs;
      if (act === undefined) {
        // The hub was requested, and its verification is over, before the timeout.
        await until(() => scene.hub.requests.some(({ method }) => method === 'POST'));
        for (let round = 0; round < 3; round += 1) await untilSettled(scene.hub);
      } else {
        await scene.runtime.ready();
        await act(scene);
      }
      scene.world.advance(afterMs);
      const { failures, lastError } = await until(async () => {
        const subscription = await scene.snapshot();
        return subscription.failures[cause] !== undefined && subscription;
      });
      expect(failures[cause]).toEqual({ count: 1, lastAt: new Date(failsAt), message: expect.stringMatching(message) });
      expect(lastError).toMatchObject({ cause, message: failures[cause]?.message });
      expect(JSON.stringify(failures)).not.toContain('hush-hush');
    },
  );

  it('keep the counts of all causes until they are reset', async () => {
    const { world, hub, runtime, snapshot } = await setUp({
      faults: { fail: { status: 503, times: 1 }, verify: 'never' },
    });
    await until(async () => (await snapshot()).failures['hub-error']?.count === 1);
    world.advance(2_000);
    await until(isIn(snapshot, 'verifying'));
    world.advance(61_000);
    await until(async () => (await snapshot()).failures['verification-missing']?.count === 1);
    hub.configure({ verify: 'async' });
    world.advance(10_000);
    const { id, failures } = await until(isIn(snapshot, 'active'));
    expect(Object.keys(failures).toSorted()).toEqual(['hub-error', 'verification-missing']);
    await runtime.retry(id);
    expect((await snapshot()).failures).toEqual({});
  });
});

describe('S3 Retry-After of a 429', () => {
  it.each([
    ['in seconds', (_now: number) => 7_200],
    ['as a date', (now: number) => new Date(now + 7_200_000)],
  ])('delays the next request by its time and some jitter (%s)', async (_form, retryAfter) => {
    const world = new FakeWorld();
    const { hub, snapshot, ...scene } = await setUp({
      faults: { fail: { status: 429, retryAfter: retryAfter(world.now) } },
    });
    const { nextAttemptAt } = await until(isIn(snapshot, 'failed'));
    expect(nextAttemptAt?.getTime()).toBe(scene.world.now + 7_230_000);
    hub.configure({ fail: false });
    scene.world.advance(7_229_000);
    await untilIdle();
    expect(hub.requests.filter(({ method }) => method === 'POST')).toHaveLength(1);
    scene.world.advance(1_000);
    await until(isIn(snapshot, 'active'));
  });
});
