import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import { defineSubscriber, type DeliveryConfig, type SubscriberServiceConfig } from 'websub-subscriber';
import { FakeWorld } from '../../kit/fake-world.js';
import { FaultyStore } from '../../kit/faulty-store.js';
import { untilIdle } from '../../kit/until-idle.js';
import { throws } from '../../kit/throws.js';
import { startHttpServer } from '../../kit/http-server.js';
import { until } from '../../kit/until.js';
import { startHub } from '../../kit/start-hub.js';

const MINUTE = 60_000;

interface Answer {
  readonly status?: number;
  readonly type?: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A feed with a relative link in its entry. */
const feed = (...ids: readonly string[]): Answer => {
  const entries = ids.map((id) => `<entry><id>${id}</id><title>${id}</title><link href="${id}.html"/></entry>`);
  return {
    type: 'application/atom+xml',
    body: `<feed xmlns="http://www.w3.org/2005/Atom"><id>urn:f</id><title>f</title>${entries.join('')}</feed>`,
  };
};

const page: Answer = { type: 'text/html', body: '<!doctype html><title>Log in</title><p>Members only' };

/** A publisher with the target /at/target and the self link /self/topic, and a subscribed service. */
async function setUp(delivery: DeliveryConfig, config: SubscriberServiceConfig = {}) {
  const world = new FakeWorld();
  const hub = await startHub({ leaseSeconds: 10 * 86_400 });
  const requestedPaths: string[] = [];
  const headers: IncomingMessage['headers'][] = [];
  const answers = new Map<string, Answer>();
  const publisher = await startHttpServer(({ url = '', headers: sent }, response: ServerResponse) => {
    requestedPaths.push(url);
    headers.push(sent);
    const { status = 200, type = 'text/plain', body = '', headers: more } = answers.get(url) ?? { status: 404 };
    const link = `<${hub.url}>; rel="hub", <${publisher.url}/self/topic>; rel="self"`;
    response.writeHead(status, { 'content-type': type, link, ...more }).end(body);
  });
  onTestFinished(() => publisher[Symbol.asyncDispose]());
  const topic = `${publisher.url}/self/topic`;
  const target = config.target ?? `${publisher.url}/at/target`;
  const store = new FaultyStore();
  const received: string[] = [];
  let handle = (): void => {};
  const service = defineSubscriber(
    { name: 'news', secret: false, unsubscribeOnShutdown: false, delivery, ...config, target },
    {
      onEventNotification: async (event) => {
        handle();
        const urls = (await event.entries()).map(({ url = '' }) => url.replace(publisher.url, ''));
        received.push(`${event.source}: ${urls.join(' ')}`);
      },
    },
  );
  let port = 0;
  const settle = async (): Promise<void> => {
    for (let calm = 0, last = -1; calm < 3; calm = requestedPaths.length === last ? calm + 1 : 0) {
      last = requestedPaths.length;
      await untilIdle();
      await hub.settled();
    }
  };
  const start = async () => {
    const runtime = await world.start(service, { store: store.keyv, port });
    onTestFinished(() => runtime.stopNow());
    port = runtime.port ?? 0;
    await runtime.ready({ timeoutMs: 5_000 });
    await settle();
    return runtime;
  };
  const pass = async (milliseconds: number): Promise<void> => {
    for (let remaining = milliseconds; remaining > 0; remaining -= MINUTE) {
      world.advance(Math.min(MINUTE, remaining));
      await settle();
    }
  };
  /** The requested paths since the last call. */
  const takeRequestedPaths = (): string[] => requestedPaths.splice(0);
  return {
    world,
    hub,
    topic,
    answers,
    headers,
    received,
    start,
    pass,
    settle,
    takeRequestedPaths,
    onHandled: (next: () => void) => void (handle = next),
    ping: () => hub.distribute(topic, ''),
  };
}

describe('D14 a topic that cannot be read while the target is a feed', () => {
  it.each<readonly [string, Answer]>([
    ['401', { status: 401 }],
    ['403', { status: 403 }],
    ['404', { status: 404 }],
    ['410', { status: 410 }],
    ['a page', page],
    ['a page whose type lies', { ...page, type: 'application/atom+xml' }],
  ])('(%s): thin pings read the target, and relative links are resolved against it', async (_what, answer) => {
    const set = await setUp({ fetchThinPings: true });
    set.answers.set('/at/target', feed('one'));
    set.answers.set('/self/topic', answer);
    await set.start();
    set.takeRequestedPaths();
    await set.ping();
    await until(() => set.received.length === 1);
    expect(set.received).toEqual(['hub: /at/one.html']);
    expect(set.takeRequestedPaths()).toEqual(['/self/topic', '/at/target']);
    // The result is stored.
    await set.ping();
    await until(() => set.received.length === 2);
    expect(set.takeRequestedPaths()).toEqual(['/at/target']);
  });

  it('polls and catch-ups read the target, even after a restart, and each renewal checks the topic again', async () => {
    const set = await setUp({ pollSeconds: 600 });
    set.answers.set('/at/target', { ...feed('one'), headers: { etag: '"t"' } });
    set.answers.set('/self/topic', { status: 404 });
    const runtime = await set.start();
    await set.pass(30 * MINUTE);
    expect(new Set(set.takeRequestedPaths().slice(-2))).toEqual(new Set(['/at/target']));
    expect(set.headers.at(-1)).toMatchObject({ 'if-none-match': '"t"' });
    await runtime.stop();
    set.answers.set('/at/target', feed('two', 'one'));
    await set.pass(30 * MINUTE);
    const again = await set.start();
    await set.pass(30 * MINUTE);
    expect(new Set(set.takeRequestedPaths())).toEqual(new Set(['/at/target']));
    expect(set.received.join()).toContain('catch-up: /at/two.html');
    set.answers.set('/self/topic', feed('three', 'two', 'one'));
    const [{ id } = { id: '' }] = await again.subscriptions.find();
    await again.renew(id);
    await set.settle();
    set.takeRequestedPaths();
    await set.pass(30 * MINUTE);
    // The silence of the hub leads to one more discovery.
    expect(set.takeRequestedPaths().filter((path) => path === '/at/target').length).toBeLessThan(2);
    expect(set.headers.at(-1)).not.toHaveProperty('if-none-match');
    expect(set.received).toContain('poll: /self/three.html');
  });

  it('relative links are resolved against the same URL when the event is retried', async () => {
    const set = await setUp({ pollSeconds: 600, catchUp: false });
    set.answers.set('/at/target', feed('one'));
    set.answers.set('/self/topic', { status: 404 });
    const runtime = await set.start();
    await set.pass(15 * MINUTE);
    set.answers.set('/at/target', feed('two', 'one'));
    set.onHandled(() => throws(new Error('not now')));
    await set.pass(25 * MINUTE);
    await runtime.stop();
    set.onHandled(() => {});
    await set.start();
    await set.pass(60 * MINUTE);
    expect(set.received).toEqual(['poll: /at/two.html']);
  });

  it.each([429, 500, 503])('is not read at the target after a %i', async (status) => {
    const set = await setUp({ fetchThinPings: true });
    set.answers.set('/at/target', feed('one'));
    set.answers.set('/self/topic', { status });
    await set.start();
    set.takeRequestedPaths();
    await set.ping();
    await until(() => set.world.logged('a handler failed').length > 0);
    expect(set.takeRequestedPaths()).toEqual(['/self/topic']);
  });

  it('is read itself if the target is not a feed either, and the target is not fetched each time', async () => {
    const set = await setUp({ fetchThinPings: true });
    set.answers.set('/at/target', page);
    set.answers.set('/self/topic', page);
    await set.start();
    set.takeRequestedPaths();
    for (const pings of [1, 2]) {
      await set.ping();
      await until(() => set.received.length === pings);
    }
    expect(set.takeRequestedPaths()).toEqual(['/self/topic', '/at/target', '/self/topic']);
  });

  it('has no other URL if hub and topic are given', async () => {
    const hub = await startHub();
    const publisher = await startHttpServer((_request, response) => void response.writeHead(404).end());
    onTestFinished(() => publisher[Symbol.asyncDispose]());
    const target = { hub: hub.url, topic: `${publisher.url}/self/topic` };
    const set = await setUp({ fetchThinPings: true }, { target });
    await set.start();
    await hub.distribute(target.topic, '');
    await until(() => set.world.logged('a handler failed').length > 0);
    expect(set.takeRequestedPaths()).toEqual([]);
  });

  it('is fetched again, including the target, if the target fails now', async () => {
    const set = await setUp({ fetchThinPings: true });
    set.answers.set('/at/target', feed('one'));
    set.answers.set('/self/topic', { status: 410 });
    await set.start();
    set.answers.set('/at/target', { status: 500 });
    set.takeRequestedPaths();
    await set.ping();
    await until(() => set.world.logged('a handler failed').length > 0);
    expect(JSON.stringify(set.world.logged('a handler failed').map(({ fields }) => String(fields['err'])))).toContain(
      '/at/target answered 500',
    );
    set.answers.set('/at/target', feed('one'));
    await set.pass(MINUTE);
    await until(() => set.received.length === 1);
    expect(set.takeRequestedPaths()).toEqual(['/self/topic', '/at/target', '/self/topic', '/at/target']);
  });
});

it('D14 relative links are resolved against the URL after redirects', async () => {
  const set = await setUp({ fetchThinPings: true });
  set.answers.set('/at/target', feed('one'));
  set.answers.set('/self/topic', { status: 302, headers: { location: '/elsewhere/feed' } });
  set.answers.set('/elsewhere/feed', feed('one'));
  await set.start();
  await set.ping();
  await until(() => set.received.length === 1);
  expect(set.received).toEqual(['hub: /elsewhere/one.html']);
});
