import { expect, onTestFinished, test } from 'vitest';
import { defineSubscriber, type SubscriberRuntime } from '../../../src/index.js';
import { start } from '../../../src/runtime/lifecycle/start-service.js';
import { ManualClock } from '../../kit/manual-clock.js';
import { recordingLogger } from '../../kit/recording-logger.js';
import { startHub } from '../../kit/start-hub.js';
import { temporaryDirectory } from '../../kit/temporary-directory.js';
import { until } from '../../kit/until.js';

const DAY = 86_400_000;

/** A store with an active subscription of the service `Blog`, and a runtime of `News` that does not have that service. */
async function setUp() {
  const hub = await startHub();
  const topic = hub.topic('/feed', { body: 'what there is' });
  const store = `lmdb://${temporaryDirectory()}`;
  const clock = new ManualClock(Date.now());
  const logger = recordingLogger();
  let port = 0;
  const run = async (name: string, targets: readonly { hub: string; topic: string }[]): Promise<SubscriberRuntime> => {
    const service = defineSubscriber(
      { name, targets, unsubscribeOnShutdown: false, delivery: { catchUp: false } },
      { onEventNotification: () => {} },
    );
    const options = { port, store, logger, handleSignals: false };
    const runtime = await start(service, options, {
      now: clock.now,
      random: Math.random,
      engine: clock.engine,
      env: {},
    });
    onTestFinished(() => runtime.stopNow());
    port = runtime.port ?? 0;
    return runtime;
  };
  const first = await run('Blog', [{ hub: hub.url, topic: topic.url }]);
  await first.ready();
  await first.stop();
  const runtime = await run('News', []);
  const subscription = await runtime.subscriptions.find({ service: 'Blog' });
  const [{ id, callback = '' } = { id: '' }] = subscription;
  return { hub, topic, clock, runtime, run, id, callback, logger };
}

test('a subscription whose service is gone is kept as it is, and can be left', async () => {
  const { hub, topic, clock, runtime, id, callback } = await setUp();
  expect(await runtime.subscriptions.get(id)).toMatchObject({ state: 'active', desired: 'subscribed' });
  expect((await topic.publish('one'))[0]?.status).toBe(503);
  // Its lease is not renewed: nobody would receive the content.
  const requestCount = hub.requests.length;
  clock.advance(9 * DAY);
  expect(await runtime.unsubscribe(id)).toMatchObject({ state: 'unsubscribing', desired: 'unsubscribed' });
  await until(() => hub.subscriptions.length === 0 || hub.subscriptions.every(({ state }) => state === 'unsubscribed'));
  await until(async () => (await runtime.subscriptions.get(id))?.state === 'unsubscribed');
  const sent = hub.requests.slice(requestCount).filter(({ method }) => method === 'POST');
  expect(sent.map(({ body }) => new URLSearchParams(body.toString()).get('hub.mode'))).toEqual(['unsubscribe']);
  expect((await fetch(callback, { method: 'POST', body: 'late' })).status).toBe(410);
  clock.time += 31 * DAY;
  clock.runCron('0 3 * * *');
  await until(async () => (await runtime.subscriptions.get(id)) === undefined);
});

test('a subscription of a service that is gone cannot be retried or renewed', async () => {
  const { runtime, id } = await setUp();
  const message = `Subscription ${id} belongs to service "Blog", which is not running in this runtime.`;
  await expect(runtime.retry(id)).rejects.toThrow(message);
  await expect(runtime.renew(id)).rejects.toThrow(message);
});

test('an unsubscription that a hub does not verify is repeated, although the service is gone', async () => {
  const { hub, clock, runtime, id } = await setUp();
  hub.configure({ fail: { status: 503 } });
  await runtime.unsubscribe(id);
  const requestCount = () => hub.requests.filter(({ method }) => method === 'POST').length;
  const count = await until(() => (requestCount() > 1 ? requestCount() : undefined));
  await until(async () => (await runtime.subscriptions.get(id))?.lastError !== undefined);
  hub.configure({ fail: undefined });
  clock.advance(3_600_000);
  expect(await until(() => requestCount() > count)).toBe(true);
  await until(async () => (await runtime.subscriptions.get(id))?.state === 'unsubscribed');
});
