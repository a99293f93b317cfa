import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  ConfigurationError,
  defineSubscriber,
  startService,
  type ContentDistributionMessage,
  type StartOptions,
  type SubscriberRuntime,
  type SubscriptionMetadata,
} from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';
import { keyText } from '../../store/sealing/seal-keys.js';
import { temporaryDirectory } from '../../kit/temporary-directory.js';
import { unusedPort } from '../../kit/ports.js';
import { failureOf } from '../../kit/failure-of.js';
import { recordingService } from '../../kit/recording-service.js';
import { until } from '../../kit/until.js';

const QUIET = { port: 0, store: 'memory', logger: false, handleSignals: false } as const;

describe('metadata of a subscription', () => {
  it('is in its snapshots, which are read-only', async () => {
    await using hub = await TestHub.start();
    const { service } = recordingService();
    await using runtime = await startService(service, QUIET);
    const metadata = { customer: '7', plan: 'large' };
    const subscription = await runtime.subscribe(service, { target: hub.topic('/feed').url, metadata });
    metadata.customer = '8';
    expect(subscription.metadata).toEqual({ customer: '7', plan: 'large' });
    expect(() => Object.assign(subscription.metadata ?? {}, { customer: '9' })).toThrow(TypeError);
    expect(await runtime.subscriptions.get(subscription.id)).toMatchObject({ metadata: { customer: '7' } });
  });

  it('is replaced completely by a later subscribe() with metadata, and kept by one without', async () => {
    await using hub = await TestHub.start();
    const { service } = recordingService();
    await using runtime = await startService(service, QUIET);
    const target = hub.topic('/feed').url;
    const subscribe = async (metadata?: SubscriptionMetadata) =>
      (await runtime.subscribe(service, { target, metadata })).metadata;
    expect(await subscribe()).toBeUndefined();
    expect(await subscribe({ a: '1', b: '2' })).toEqual({ a: '1', b: '2' });
    expect(await subscribe()).toEqual({ a: '1', b: '2' });
    expect(await subscribe({ b: '3' })).toEqual({ b: '3' });
    expect(await subscribe({})).toEqual({});
    await runtime.ready();
    expect(hub.requests.filter(({ form }) => form.get('hub.mode') === 'subscribe')).toHaveLength(1);
  });

  it('causes a ConfigurationError if it is too large, and nothing is subscribed', async () => {
    const { service } = recordingService();
    await using runtime = await startService(service, QUIET);
    const metadata = { text: 'x'.repeat(5_000) };
    const failure = await failureOf(runtime.subscribe(service, { target: 'https://example.com/feed', metadata }));
    expect(failure).toBeInstanceOf(ConfigurationError);
    expect(failure.message).toMatch(/metadata is 5004 bytes/);
    expect(await runtime.subscriptions.count()).toBe(0);
  });

  it.each(['plain', 'sealed'])(
    'is passed to the handler, even with a stored event after a restart (%s store)',
    async (kind) => {
      await using hub = await TestHub.start();
      const topic = hub.topic('/feed');
      const directory = temporaryDirectory();
      const options: StartOptions = {
        ...QUIET,
        port: await unusedPort(),
        store: `lmdb://${directory}`,
        ...(kind === 'sealed' ? { security: { sealKey: keyText(1) } } : {}),
      };
      const events: ContentDistributionMessage[] = [];
      let fails = true;
      const service = defineSubscriber(
        { name: 'News', secret: false, unsubscribeOnShutdown: false },
        {
          onEventNotification(event) {
            events.push(event);
            if (fails) throw new Error('not now');
          },
        },
      );
      const start = async (): Promise<SubscriberRuntime> => {
        const runtime = await startService(service, options);
        onTestFinished(() => runtime.stopNow());
        return runtime;
      };
      const first = await start();
      const metadata = { customer: 'a recognizable customer', constructor: 'x', '0': 'y', $bytes: 'z' };
      await first.subscribe(service, { target: topic.url, metadata });
      await first.ready();
      await hub.settled();
      await topic.publish('news');
      await first.stop();
      fails = false;
      const second = await start();
      await until(() => events.find(({ attempt }) => attempt > 1));
      expect(events.map(({ subscription }) => subscription.metadata)).toEqual([metadata, metadata]);
      expect((await second.subscriptions.find()).map((subscription) => subscription.metadata)).toEqual([metadata]);
      const isReadable = (await readFile(join(directory, 'data.mdb'))).includes('recognizable');
      expect(isReadable).toBe(kind === 'plain');
    },
  );
});
