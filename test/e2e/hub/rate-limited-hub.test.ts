import type { RequestListener } from 'node:http';
import { Keyv } from 'keyv';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { HubAndTopic, SubscriberRuntime } from 'websub-subscriber';
import { FakeWorld } from '../../kit/fake-world.js';
import { untilIdle } from '../../kit/until-idle.js';
import { unusedPort } from '../../kit/ports.js';
import { recordingService } from '../../kit/recording-service.js';
import { startHttpServer } from '../../kit/http-server.js';
import { until } from '../../kit/until.js';
import { seededRandom } from '../../kit/seeded-random.js';

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;

interface HubRequest {
  readonly topic: string;
  readonly mode: string;
  readonly at: number;
  readonly status: number;
}

/** A hub that verifies accepted requests. `decide` returns the status of an answer, and its Retry-After in seconds. */
async function rateLimitedHub(
  world: FakeWorld,
  decide: (requests: readonly HubRequest[], topic: string) => { readonly status: number; readonly retryAfter?: number },
  leaseSeconds = 864_000,
) {
  const requests: HubRequest[] = [];
  let openCount = 0;
  const verify = async (form: URLSearchParams): Promise<void> => {
    const callback = new URL(form.get('hub.callback') ?? '');
    const query = { 'hub.mode': form.get('hub.mode') ?? '', 'hub.topic': form.get('hub.topic') ?? '' };
    for (const [name, value] of Object.entries(query)) callback.searchParams.append(name, value);
    callback.searchParams.append('hub.challenge', 'challenge');
    callback.searchParams.append('hub.lease_seconds', String(leaseSeconds));
    await fetch(callback);
  };
  const listener: RequestListener = (request, response) => {
    openCount += 1;
    let body = '';
    request.on('data', (chunk) => void (body += String(chunk)));
    request.on('end', () => {
      const form = new URLSearchParams(body);
      const topic = form.get('hub.topic') ?? '';
      const { status, retryAfter } = decide(requests, topic);
      requests.push({ topic, mode: form.get('hub.mode') ?? '', at: world.now, status });
      response.writeHead(status, retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }).end();
      const verifying = status === 202 ? verify(form) : Promise.resolve();
      void verifying.catch(() => {}).finally(() => (openCount -= 1));
    });
  };
  const { url, ...server } = await startHttpServer(listener);
  onTestFinished(() => server[Symbol.asyncDispose]());
  const targets = (count: number): HubAndTopic[] =>
    Array.from({ length: count }, (_, index) => ({ hub: `${url}/`, topic: `http://127.0.0.1:1/${index}` }));
  /** Advances the clock second by second, and waits for running work each time. */
  const advance = async (milliseconds: number): Promise<void> => {
    for (const end = world.now + milliseconds; world.now < end;) {
      world.advance(SECOND_MS);
      await settled();
    }
  };
  const settled = async (): Promise<void> => {
    for (let calm = 0; calm < 2; calm += 1) {
      const before = requests.length;
      await untilIdle();
      if (openCount > 0 || requests.length !== before) calm = -1;
    }
  };
  return { url: `${url}/`, requests, targets, advance, settled };
}

function fleetWorld(): FakeWorld {
  const world = new FakeWorld();
  world.random = seededRandom(1);
  return world;
}

const isActive = async (runtime: SubscriberRuntime, count: number): Promise<boolean> =>
  (await runtime.subscriptions.count({ state: 'active' })) === count;

describe('S3 a hub of 120 topics that answers 429', () => {
  it('gets one request per topic when it accepts requests again, and before only those in flight', async () => {
    const world = fleetWorld();
    const startedAt = world.now;
    const hub = await rateLimitedHub(world, () =>
      world.now < startedAt + 5 * MINUTE_MS ? { status: 429, retryAfter: 300 } : { status: 202 },
    );
    const { service } = recordingService({ targets: hub.targets(120), unsubscribeOnShutdown: false });
    const runtime = await world.start(service);
    onTestFinished(() => runtime.stopNow());
    await hub.settled();
    expect(hub.requests.length).toBeLessThanOrEqual(8);
    const refusedCount = hub.requests.length;
    await hub.advance(5 * MINUTE_MS - SECOND_MS);
    expect(hub.requests).toHaveLength(refusedCount);
    await hub.advance(MINUTE_MS + 2 * SECOND_MS);
    await until(() => isActive(runtime, 120));
    expect(hub.requests).toHaveLength(120 + refusedCount);
    expect(new Set(hub.requests.filter(({ status }) => status === 202).map(({ topic }) => topic)).size).toBe(120);
    // The requests are spread over a minute.
    const times = hub.requests.slice(refusedCount).map(({ at }) => at);
    const maxAtOnce = Math.max(...times.map((time) => times.filter((at) => at === time).length));
    expect(maxAtOnce).toBeLessThan(12);
    const failed = (await runtime.subscriptions.find()).filter(({ failures }) => failures['hub-error'] !== undefined);
    expect(failed).toHaveLength(refusedCount);
    expect(world.logged('hub.rate-limited')).toHaveLength(1);
  }, 60_000);

  it('answers fewer than 24 requests with 429 if it accepts 30 a minute', async () => {
    const world = fleetWorld();
    const hub = await rateLimitedHub(world, (requests) => {
      const accepted = requests.filter(({ at, status }) => status === 202 && at > world.now - MINUTE_MS);
      return accepted.length < 30 ? { status: 202 } : { status: 429, retryAfter: 60 };
    });
    const { service } = recordingService({ targets: hub.targets(120), unsubscribeOnShutdown: false });
    const runtime = await world.start(service);
    onTestFinished(() => runtime.stopNow());
    await hub.settled();
    await hub.advance(10 * MINUTE_MS);
    await until(() => isActive(runtime, 120));
    const refused = hub.requests.filter(({ status }) => status === 429);
    expect(hub.requests.length - refused.length).toBe(120);
    expect(refused.length).toBeLessThan(24);
  }, 60_000);
});

describe('S3 a subscription deferred after a 429', () => {
  /** One slot and two topics. The first got 429 for half an hour. The second waited for the slot and is deferred. */
  async function deferredSubscriptions(options: { readonly store?: Keyv; readonly port?: number } = {}) {
    const world = fleetWorld();
    const startedAt = world.now;
    const hub = await rateLimitedHub(world, () =>
      world.now < startedAt + 30 * MINUTE_MS ? { status: 429, retryAfter: 1_800 } : { status: 202 },
    );
    const targets = hub.targets(2);
    const { service } = recordingService({ targets, unsubscribeOnShutdown: false });
    const startRuntime = (): Promise<SubscriberRuntime> =>
      world.start(service, { ...options, security: { hubConcurrency: 1 } });
    const runtime = await startRuntime();
    onTestFinished(() => runtime.stopNow());
    await hub.settled();
    const secondSubscription = async (from = runtime) => {
      const [found] = await from.subscriptions.find({ topic: 'http://127.0.0.1:1/1' });
      if (found === undefined) throw new Error('there is no second subscription');
      return found;
    };
    return { world, hub, startedAt, runtime, startRuntime, secondSubscription };
  }

  it('shows the time of its next request, and no failure', async () => {
    const { hub, startedAt, secondSubscription } = await deferredSubscriptions();
    expect(hub.requests).toHaveLength(1);
    const { state, attempts, nextAttemptAt, lastError } = await secondSubscription();
    expect({ state, attempts, lastError }).toEqual({ state: 'requested', attempts: 0, lastError: undefined });
    expect(nextAttemptAt?.getTime()).toBeGreaterThanOrEqual(startedAt + 30 * MINUTE_MS);
    expect(nextAttemptAt?.getTime()).toBeLessThan(startedAt + 31 * MINUTE_MS);
  });

  it('stays deferred through a restart', async () => {
    const store = new Keyv();
    const { world, hub, runtime, startRuntime, secondSubscription } = await deferredSubscriptions({
      store,
      port: await unusedPort(),
    });
    const { nextAttemptAt } = await secondSubscription();
    await runtime.stop();
    const restarted = await startRuntime();
    onTestFinished(() => restarted.stopNow());
    await hub.settled();
    expect(hub.requests).toHaveLength(1);
    expect((await secondSubscription(restarted)).nextAttemptAt).toEqual(nextAttemptAt);
    await hub.advance(31 * MINUTE_MS + SECOND_MS);
    await until(() => isActive(restarted, 2));
    expect(hub.requests).toHaveLength(3);
    expect(world.lines.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('gets a request at once from retry(id), and no second request from a sweep', async () => {
    const { world, hub, runtime, secondSubscription } = await deferredSubscriptions();
    const { id } = await secondSubscription();
    await runtime.retry(id);
    await hub.settled();
    expect(hub.requests.map(({ topic }) => topic)).toEqual(['http://127.0.0.1:1/0', 'http://127.0.0.1:1/1']);
    for (const cron of ['0 * * * *', '*/10 * * * *']) world.runCron(cron);
    await hub.settled();
    expect(hub.requests).toHaveLength(2);
  });

  it('gets no request from retry() without an id, and keeps the time of its next request', async () => {
    const { hub, runtime, secondSubscription } = await deferredSubscriptions();
    const before = await secondSubscription();
    await runtime.retry();
    await hub.settled();
    expect(hub.requests.map(({ topic }) => topic)).toEqual(['http://127.0.0.1:1/0']);
    expect(await secondSubscription()).toEqual(before);
  });
});

describe('S3 leases that would expire while their hub is rate limited', () => {
  it('are renewed, one a minute', async () => {
    const world = fleetWorld();
    const startedAt = world.now;
    // The hub accepts each topic once. Later it answers 429 to the first topic.
    const hub = await rateLimitedHub(
      world,
      (requests, topic) => {
        const isFirstRequest = !requests.some((one) => one.topic === topic);
        return isFirstRequest || !topic.endsWith('/0') ? { status: 202 } : { status: 429, retryAfter: 3_600 };
      },
      1_200,
    );
    const targets = hub.targets(4);
    const { service } = recordingService({ targets, unsubscribeOnShutdown: false });
    const runtime = await world.start(service);
    onTestFinished(() => runtime.stopNow());
    await hub.settled();
    await until(() => isActive(runtime, 4));
    expect(hub.requests).toHaveLength(4);
    const [first, ...otherSubscriptions] = await runtime.subscriptions.find();
    await runtime.renew(first?.id ?? '');
    await hub.settled();
    await Promise.all(otherSubscriptions.map(({ id }) => runtime.renew(id)));
    await hub.settled();
    await hub.advance(5 * MINUTE_MS);
    const renewals = hub.requests.slice(4);
    expect(renewals.map(({ status }) => status)).toEqual([429, 202, 202, 202]);
    expect(renewals.map(({ at }) => Math.round((at - startedAt) / MINUTE_MS))).toEqual([0, 0, 1, 2]);
  }, 60_000);
});
