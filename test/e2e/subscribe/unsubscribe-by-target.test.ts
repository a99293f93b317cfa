import { describe, expect, it } from 'vitest';
import { ConfigurationError, startService, WebSubError, type SubscribeOptions } from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';
import { failureOf } from '../../kit/failure-of.js';
import { recordingService } from '../../kit/recording-service.js';
import { until } from '../../kit/until.js';
import { untilSettled } from '../../kit/until-idle.js';

const QUIET = { port: 0, store: 'memory', logger: false, handleSignals: false } as const;

describe('unsubscribe(service, target)', () => {
  it('ends the subscription of that service and target at its hub, in any spelling of the target', async () => {
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed');
    const { service } = recordingService();
    await using runtime = await startService(service, QUIET);
    const { id } = await runtime.subscribe(service, { target: topic.url });
    await runtime.subscribe(service, { target: hub.topic('/other').url });
    await runtime.ready();
    const subscription = await runtime.unsubscribe(service, topic.url.replace('http:', 'HTTP:'));
    expect(subscription).toMatchObject({ id, desired: 'unsubscribed', state: 'unsubscribing' });
    await hub.unsubscribed(topic);
    await until(async () => (await runtime.subscriptions.get(id))?.state === 'unsubscribed');
    expect(await runtime.subscriptions.count({ state: 'active' })).toBe(1);
  });

  it('treats { hub, topic } and [hub, topic] as the same target, and the topic alone as another', async () => {
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed');
    const { service } = recordingService();
    await using runtime = await startService(service, QUIET);
    const pair: SubscribeOptions['target'] = [hub.url, topic.url];
    const { id } = await runtime.subscribe(service, { target: { hub: hub.url, topic: topic.url } });
    await runtime.ready();
    expect(await failureOf(runtime.unsubscribe(service, topic.url))).toBeInstanceOf(WebSubError);
    expect(await runtime.unsubscribe(service, pair)).toMatchObject({ id, desired: 'unsubscribed' });
  });

  it('ends a subscription whose subscribe() call has not resolved yet, before its hub is requested', async () => {
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed');
    const { service } = recordingService();
    await using runtime = await startService(service, QUIET);
    const releaseTopic = hub.holdBack('topic');
    const subscribing = runtime.subscribe(service, { target: topic.url });
    expect(await runtime.unsubscribe(service, topic.url)).toMatchObject({ desired: 'unsubscribed' });
    const { id } = await subscribing;
    releaseTopic();
    await hub.until(() => hub.requests.length > 0);
    await untilSettled(hub);
    expect(hub.requests.map(({ method }) => method)).toEqual(['GET']);
    expect((await runtime.subscriptions.get(id))?.state).toBe('unsubscribed');
  });

  it('rejects with a WebSubError that names the service and the target if there is no such subscription', async () => {
    const { service } = recordingService();
    const { service: otherService } = recordingService({ name: 'Other' });
    await using runtime = await startService([service, otherService], QUIET);
    await runtime.subscribe(otherService, { target: 'https://127.0.0.1:1/feed' });
    const failure = await failureOf(runtime.unsubscribe(service, 'https://127.0.0.1:1/feed'));
    expect(failure).toBeInstanceOf(WebSubError);
    expect(failure.message).toBe('Service "News" has no subscription to https://127.0.0.1:1/feed.');
    expect(await runtime.subscriptions.count({ service: 'Other' })).toBe(1);
  });

  it('rejects with a ConfigurationError for an invalid target or service', async () => {
    const { service } = recordingService();
    await using runtime = await startService(service, QUIET);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- without the compiler, a caller may pass any value
    const call = runtime.unsubscribe.bind(runtime) as (...values: unknown[]) => Promise<unknown>;
    const calls = [
      [call(service), /unsubscribe\(\) for service "News": target is undefined; it must be a URL/],
      [call(service, 'feed'), /target is "feed"; it must be an absolute URL/],
      [call('News', 'https://example.com/feed'), /Pass the service, not its name/],
      [call({}, 'https://example.com/feed'), /The service is an object; it must be a class decorated/],
    ] as const;
    for (const [failing, message] of calls) {
      const failure = await failureOf(failing);
      expect(failure).toBeInstanceOf(ConfigurationError);
      expect(failure.message).toMatch(message);
    }
  });
});
