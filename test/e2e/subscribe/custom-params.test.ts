import { readFile } from 'node:fs/promises';
import { inspect } from 'node:util';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startService, type StartOptions, type SubscribeOptions, type SubscriberRuntime } from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';
import { recordingLogger } from '../../kit/recording-logger.js';
import { exchange, request } from '../../kit/wire.js';
import { keyText } from '../../store/sealing/seal-keys.js';
import { temporaryDirectory } from '../../kit/temporary-directory.js';
import { unusedPort } from '../../kit/ports.js';
import { recordingService } from '../../kit/recording-service.js';
import { until } from '../../kit/until.js';
import { startHub } from '../../kit/start-hub.js';

const KEY = 'a-key-of-this-subscription';

/** The custom parameters of each request that the hub got. */
const sentParams = (hub: TestHub): readonly Readonly<Record<string, string>>[] =>
  hub.requests
    .filter(({ method }) => method === 'POST')
    .map(({ form }) => ({
      mode: form.get('hub.mode') ?? '',
      ...Object.fromEntries([...form].filter(([name]) => !name.startsWith('hub.'))),
    }));

async function setUp(options: StartOptions = {}) {
  const hub = await startHub();
  const topic = hub.topic('/feed');
  const logger = recordingLogger();
  const { service } = recordingService({
    customParams: { tenant: 'all', plan: 'small' },
    unsubscribeOnShutdown: false,
  });
  const start = async (): Promise<SubscriberRuntime> => {
    const runtime = await startService(service, { port: 0, store: 'memory', logger, handleSignals: false, ...options });
    onTestFinished(() => runtime.stopNow());
    return runtime;
  };
  const runtime = await start();
  const subscribe = (subscribeOptions: Partial<SubscribeOptions>, usedRuntime = runtime) =>
    usedRuntime.subscribe(service, { target: topic.url, ...subscribeOptions });
  return { hub, topic, service, logger, runtime, start, subscribe };
}

describe('customParams of one subscription', () => {
  it('override those of the service, and are sent in subscribe and unsubscribe requests', async () => {
    const { hub, topic, service, runtime, subscribe } = await setUp();
    await subscribe({ customParams: { tenant: 'b', key: KEY } });
    const otherTopic = hub.topic('/other');
    await runtime.subscribe(service, { target: otherTopic.url });
    await runtime.ready();
    await runtime.unsubscribe(service, topic.url);
    await hub.unsubscribed(topic);
    expect(sentParams(hub)).toEqual(
      expect.arrayContaining([
        { mode: 'subscribe', tenant: 'b', plan: 'small', key: KEY },
        { mode: 'subscribe', tenant: 'all', plan: 'small' },
        { mode: 'unsubscribe', tenant: 'b', plan: 'small', key: KEY },
      ]),
    );
    expect(hub.violations).toEqual([]);
  });

  it('renew an active subscription at once when they change, and send nothing when they are equal', async () => {
    const { hub, runtime, subscribe } = await setUp();
    await subscribe({ customParams: { key: 'first' } });
    await runtime.ready();
    await hub.settled();
    await subscribe({ customParams: { key: 'first' } });
    await subscribe({});
    await subscribe({ customParams: { key: 'second' } });
    await hub.until(() => sentParams(hub).length === 2);
    await hub.settled();
    await until(async () => (await runtime.subscriptions.find())[0]?.state === 'active');
    await subscribe({ leaseSeconds: 3_600 });
    await hub.until(() => sentParams(hub).length === 3);
    await hub.settled();
    await subscribe({ customParams: {} });
    await hub.until(() => sentParams(hub).length === 4);
    expect(sentParams(hub).map(({ key }) => key)).toEqual(['first', 'second', 'second', undefined]);
    expect(hub.requests.at(-1)?.form.get('hub.lease_seconds')).toBe('3600');
  });

  it('are sent once a pending request is verified, if they changed meanwhile', async () => {
    const { hub, runtime, subscribe } = await setUp();
    const releaseVerification = hub.holdBack('verification');
    await subscribe({ customParams: { key: 'first' } });
    await hub.until(() => sentParams(hub).length === 1);
    await subscribe({ customParams: { key: 'second' } });
    releaseVerification();
    await hub.until(() => sentParams(hub).length === 2);
    await runtime.ready();
    expect(sentParams(hub).map(({ key }) => key)).toEqual(['first', 'second']);
  });

  it.each(['plain', 'sealed'])('survive a restart, in a %s store', async (kind) => {
    const directory = temporaryDirectory();
    const security = kind === 'sealed' ? { security: { sealKey: keyText(1) } } : {};
    const options: StartOptions = { port: await unusedPort(), store: `lmdb://${directory}`, ...security };
    const { hub, runtime, start, subscribe } = await setUp(options);
    const { id } = await subscribe({ customParams: { key: KEY } });
    await runtime.ready();
    await hub.settled();
    await runtime.stop();
    const restarted = await start();
    await restarted.renew(id);
    await hub.until(() => sentParams(hub).length === 2);
    expect(sentParams(hub).map(({ key }) => key)).toEqual([KEY, KEY]);
    await subscribe({ customParams: { key: KEY } }, restarted);
    await restarted.stop();
    expect(sentParams(hub)).toHaveLength(2);
    expect((await readFile(join(directory, 'data.mdb'))).includes(KEY)).toBe(kind === 'plain');
  });

  it('appear in no snapshot, log line or error, even if the hub quotes them', async () => {
    const { hub, runtime, subscribe, logger } = await setUp();
    const errors: unknown[] = [];
    runtime.hooks.on('failed', ({ error }) => void errors.push(error));
    runtime.hooks.on('denied', ({ error }) => void errors.push(error));
    hub.fail(400, { times: 2, body: `no such key: ${KEY}` });
    await subscribe({ customParams: { key: KEY } });
    await until(() => errors.length === 1);
    const [{ callback = '', topic = '' } = {}] = await runtime.subscriptions.find();
    const query = new URLSearchParams({ 'hub.mode': 'denied', 'hub.topic': topic, 'hub.reason': `${KEY} is unknown` });
    const target = `${new URL(callback).pathname}?${query.toString()}`;
    await exchange(runtime.port ?? 0, request('GET', target));
    await until(() => errors.length === 2);
    const [subscription] = await runtime.subscriptions.find();
    expect(subscription?.lastError?.message).toContain('[redacted] is unknown');
    const shown =
      inspect([errors, subscription, logger.lines], { depth: 20 }) + JSON.stringify([subscription, logger.lines]);
    expect(shown).toContain('no such key: [redacted]');
    expect(shown).not.toContain(KEY);
  });
});
