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

/** A hub that verifies accepted requests. `judge` decides the status of an answer, and its Retry-After in seconds. */
async function busyHub(
  world: FakeWorld,
  judge: (requests: readonly HubRequest[], topic: string) => { readonly status: number; readonly retryAfter?: number },
  leaseSeconds = 864_000,
) {
  const requests: HubRequest[] = [];
  let open = 0;
  const verify = async (form: URLSearchParams): Promise<void> => {
    const callback = new URL(form.get('hub.callback') ?? '');
    const query = { 'hub.mode': form.get('hub.mode') ?? '', 'hub.topic': form.get('hub.topic') ?? '' };
    for (const [name, value] of Object.entries(query)) callback.searchParams.append(name, value);
    callback.searchParams.append('hub.challenge', 'challenge');
    callback.searchParams.append('hub.lease_seconds', String(leaseSeconds));
    await fetch(callback);
  };
  const listener: RequestListener = (request, response) => {
    open += 1;
    let body = '';
    request.on('data', (chunk) => void (body += String(chunk)));
    request.on('end', () => {
      const form = new URLSearchParams(body);
      const topic = form.get('hub.topic') ?? '';
      const { status, retryAfter } = judge(requests, topic);
      requests.push({ topic, mode: form.get('hub.mode') ?? '', at: world.now, status });
      response.writeHead(status, retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }).end();
      const verified = status === 202 ? verify(form) : Promise.resolve();
      void verified.catch(() => {}).finally(() => (open -= 1));
    });
  };
  const { url, ...server } = await startHttpServer(listener);
  onTestFinished(() => server[Symbol.asyncDispose]());
  const topics = (count: number): HubAndTopic[] =>
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
      if (open > 0 || requests.length !== before) calm = -1;
    }
  };
  return { url: `${url}/`, requests, topics, advance, settled };
}

function fleetWorld(): FakeWorld {
  const world = new FakeWorld();
  world.random = seededRandom(1);
  return world;
}

const isActive = async (runtime: SubscriberRuntime, count: number): Promise<boolean> =>
  (await runtime.subscriptions.count({ state: 'active' })) === count;

describe('S3 a fleet of 120 topics at a hub that answers 429', () => {
  it('gets one request for each topic, and one more for those in flight', async () => {
    const world = fleetWorld();
    const start = world.now;
    const hub = await busyHub(world, () =>
      world.now < start + 5 * MINUTE_MS ? { status: 429, retryAfter: 300 } : { status: 202 },
    );
    const { service } = recordingService({ targets: hub.topics(120), unsubscribeOnShutdown: false });
    const runtime = await world.start(service);
    onTestFinished(() => runtime.stopNow());
    await hub.settled();
    expect(hub.requests.length).toBeLessThanOrEqual(8);
    const refused = hub.requests.length;
    await hub.advance(5 * MINUTE_MS - SECOND_MS);
    expect(hub.requests).toHaveLength(refused);
    await hub.advance(MINUTE_MS + 2 * SECOND_MS);
    await until(() => isActive(runtime, 120));
    expect(hub.requests).toHaveLength(120 + refused);
    expect(new Set(hub.requests.filter(({ status }) => status === 202).map(({ topic }) => topic)).size).toBe(120);
    // Spread over a minute, not all at once.
    const times = hub.requests.slice(refused).map(({ at }) => at);
    const busiest = Math.max(...times.map((time) => times.filter((at) => at === time).length));
    expect(busiest).toBeLessThan(12);
    const failures = (await runtime.subscriptions.find()).filter((one) => one.failures['hub-error'] !== undefined);
    expect(failures).toHaveLength(refused);
    expect(world.logged('answered 429: subscribe requests to it wait')).toHaveLength(1);
  }, 60_000);

  it('gets only a few more requests if it accepts 30 a minute', async () => {
    const world = fleetWorld();
    const hub = await busyHub(world, (requests) => {
      const taken = requests.filter(({ at, status }) => status === 202 && at > world.now - MINUTE_MS);
      return taken.length < 30 ? { status: 202 } : { status: 429, retryAfter: 60 };
    });
    const { service } = recordingService({ targets: hub.topics(120), unsubscribeOnShutdown: false });
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
  /** Two topics and one slot: the first got 429 for half an hour, so the second, which waited for the slot, is deferred. */
  async function deferredSubscriptions(options: { readonly store?: Keyv; readonly port?: number } = {}) {
    const world = fleetWorld();
    const start = world.now;
    const hub = await busyHub(world, () =>
      world.now < start + 30 * MINUTE_MS ? { status: 429, retryAfter: 1_800 } : { status: 202 },
    );
    const targets = hub.topics(2);
    const { service } = recordingService({ targets, unsubscribeOnShutdown: false });
    const again = (): Promise<SubscriberRuntime> =>
      world.start(service, { ...options, security: { hubConcurrency: 1 } });
    const runtime = await again();
    onTestFinished(() => runtime.stopNow());
    await hub.settled();
    const second = async (from = runtime) => {
      const [found] = await from.subscriptions.find({ topic: 'http://127.0.0.1:1/1' });
      if (found === undefined) throw new Error('it is not there');
      return found;
    };
    return { world, hub, start, runtime, again, second };
  }

  it('shows the time of its next request, and no failure', async () => {
    const { hub, start, second } = await deferredSubscriptions();
    expect(hub.requests).toHaveLength(1);
    const { state, attempts, nextAttemptAt, lastError } = await second();
    expect({ state, attempts, lastError }).toEqual({ state: 'requested', attempts: 0, lastError: undefined });
    expect(nextAttemptAt?.getTime()).toBeGreaterThanOrEqual(start + 30 * MINUTE_MS);
    expect(nextAttemptAt?.getTime()).toBeLessThan(start + 31 * MINUTE_MS);
  });

  it('stays deferred through a restart', async () => {
    const store = new Keyv();
    const { world, hub, runtime, again, second } = await deferredSubscriptions({ store, port: await unusedPort() });
    const { nextAttemptAt } = await second();
    await runtime.stop();
    const restarted = await again();
    onTestFinished(() => restarted.stopNow());
    await hub.settled();
    expect(hub.requests).toHaveLength(1);
    expect((await second(restarted)).nextAttemptAt).toEqual(nextAttemptAt);
    await hub.advance(31 * MINUTE_MS + SECOND_MS);
    await until(() => isActive(restarted, 2));
    expect(hub.requests).toHaveLength(3);
    expect(world.lines.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('is requested at once by retry(id), but not by retry() or a sweep', async () => {
    const { world, hub, runtime, second } = await deferredSubscriptions();
    const { id } = await second();
    await runtime.retry(id);
    await hub.settled();
    expect(hub.requests.map(({ topic }) => topic)).toEqual(['http://127.0.0.1:1/0', 'http://127.0.0.1:1/1']);
    for (const cron of ['0 * * * *', '*/10 * * * *']) world.runCron(cron);
    await hub.settled();
    expect(hub.requests).toHaveLength(2);
  });
});

describe('S3 leases that would expire while their hub is rate limited', () => {
  it('are renewed, one a minute', async () => {
    const world = fleetWorld();
    const start = world.now;
    // It accepts each topic once. Renewals of the first get 429.
    const hub = await busyHub(
      world,
      (requests, topic) => {
        const isFirst = !requests.some((one) => one.topic === topic);
        return isFirst || !topic.endsWith('/0') ? { status: 202 } : { status: 429, retryAfter: 3_600 };
      },
      1_200,
    );
    const targets = hub.topics(4);
    const { service } = recordingService({ targets, unsubscribeOnShutdown: false });
    const runtime = await world.start(service);
    onTestFinished(() => runtime.stopNow());
    await hub.settled();
    await until(() => isActive(runtime, 4));
    expect(hub.requests).toHaveLength(4);
    const [first, ...others] = await runtime.subscriptions.find();
    await runtime.renew(first?.id ?? '');
    await hub.settled();
    await Promise.all(others.map(({ id }) => runtime.renew(id)));
    await hub.settled();
    await hub.advance(5 * MINUTE_MS);
    const renewals = hub.requests.slice(4);
    expect(renewals.map(({ status }) => status)).toEqual([429, 202, 202, 202]);
    expect(renewals.map(({ at }) => Math.round((at - start) / MINUTE_MS))).toEqual([0, 0, 1, 2]);
  }, 60_000);
});
