import { text } from 'node:stream/consumers';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ConfigurationError, defineSubscriber, type DeliveryConfig } from 'websub-subscriber';
import { FakeWorld } from '../../kit/fake-world.js';
import { FaultyStore } from '../../kit/faulty-store.js';
import { failureOf } from '../../kit/failure-of.js';
import { startHttpServer } from '../../kit/http-server.js';
import { until } from '../../kit/until.js';

const TOPIC = 'urn:fhircast:session:1';

/** A hub with names as topics. `TestHub` accepts only URLs, as in WebSub. */
async function nameHub() {
  const callbacks: string[] = [];
  const server = await startHttpServer((request, response) => {
    const verify = async (): Promise<void> => {
      const form = new URLSearchParams(await text(request));
      response.writeHead(202).end();
      const callback = form.get('hub.callback') ?? '';
      const query = new URLSearchParams({ 'hub.topic': TOPIC, 'hub.challenge': 'c', 'hub.lease_seconds': '864000' });
      query.set('hub.mode', form.get('hub.mode') ?? '');
      callbacks.push(callback);
      await fetch(`${callback}?${query.toString()}`);
    };
    void verify();
  });
  onTestFinished(() => server[Symbol.asyncDispose]());
  const distribute = async (body: string): Promise<number> => {
    const answer = await fetch(callbacks.at(-1) ?? '', { method: 'POST', body });
    return answer.status;
  };
  return { url: server.url, distribute };
}

/** A service with a name as topic, which cannot be fetched. */
async function setUp(delivery: DeliveryConfig) {
  const world = new FakeWorld();
  const hub = await nameHub();
  const store = new FaultyStore();
  const received: string[] = [];
  const config = { name: 'news', secret: false, unsubscribeOnShutdown: false } as const;
  const define = (changes: DeliveryConfig = {}) =>
    defineSubscriber(
      { ...config, delivery: { ...delivery, ...changes } },
      { onEventNotification: (event) => void received.push(`${event.attempt} ${event.source} "${event.text()}"`) },
    );
  const start = async (service: ReturnType<typeof define>) => {
    const runtime = await world.start(service, { store: store.keyv });
    onTestFinished(() => runtime.stopNow());
    return runtime;
  };
  const target = { hub: hub.url, topic: TOPIC };
  return { world, hub, store, received, define, start, target };
}

describe('a topic that is not a URL', () => {
  it.each(['inline', 'queued'] as const)('C5 has its thin pings delivered unchanged (%s)', async (mode) => {
    const { hub, received, define, start, target } = await setUp({ fetchThinPings: true, mode });
    const service = define();
    const runtime = await start(service);
    await runtime.subscribe(service, { target });
    await runtime.ready({ timeoutMs: 5_000 });
    expect(await hub.distribute('')).toBe(202);
    await until(() => received.length > 0);
    expect(received).toEqual(['1 hub ""']);
    expect((await runtime.subscriptions.find())[0]?.stats).toMatchObject({ delivered: 1, failed: 0 });
  });

  it('cannot be polled, so subscribe() rejects with the remedy and stores nothing', async () => {
    const { define, start, target } = await setUp({ pollSeconds: 600 });
    const service = define();
    const runtime = await start(service);
    const error = await failureOf(runtime.subscribe(service, { target }));
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error.message).toContain('subscribe() for service "news": delivery.pollSeconds is 600');
    expect(error.message).toContain(`${TOPIC} at ${target.hub} is not an http or https URL`);
    expect(error.message).toContain('Omit pollSeconds, or subscribe to that topic with another service');
    expect(await runtime.subscriptions.count()).toBe(0);
  });

  it('is logged once if pollSeconds was set after it was subscribed, and its events still arrive', async () => {
    const { world, hub, store, received, define, start, target } = await setUp({});
    const service = define();
    const first = await start(service);
    await first.subscribe(service, { target });
    await first.ready({ timeoutMs: 5_000 });
    const { port } = first;
    await first.stop();
    const second = await world.start(define({ pollSeconds: 600 }), { store: store.keyv, port });
    onTestFinished(() => second.stopNow());
    world.advance(600_000);
    await until(() => world.logged('poll.impossible').length === 1);
    world.advance(6_000_000);
    await hub.distribute('news');
    await until(() => received.length > 0);
    expect(world.logged('poll.impossible')).toHaveLength(1);
  });
});
