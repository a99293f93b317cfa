import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import { defineSubscriber, type DeliveryConfig, type SubscriberServiceConfig } from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';
import { FakeWorld } from '../kit/fake-world.js';
import { FaultyStore } from '../kit/faulty-store.js';
import { quiet, throws } from '../kit/news-service.js';
import { strangersServer, until } from '../kit/world.js';

const MINUTE = 60_000;

interface Answer {
  readonly status?: number;
  readonly type?: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A feed whose entry has a link that is relative to where it is read. */
const feed = (...ids: readonly string[]): Answer => {
  const entries = ids.map((id) => `<entry><id>${id}</id><title>${id}</title><link href="${id}.html"/></entry>`);
  return {
    type: 'application/atom+xml',
    body: `<feed xmlns="http://www.w3.org/2005/Atom"><id>urn:f</id><title>f</title>${entries.join('')}</feed>`,
  };
};

const page: Answer = { type: 'text/html', body: '<!doctype html><title>Log in</title><p>Members only' };

/** A publisher whose target is /at/target and whose self link is /self/topic, and a service subscribed to it. */
async function setUp(delivery: DeliveryConfig, config: SubscriberServiceConfig = {}) {
  const world = new FakeWorld();
  const hub = await TestHub.start({ leaseSeconds: 10 * 86_400 });
  onTestFinished(() => hub.close());
  const asked: string[] = [];
  const headers: IncomingMessage['headers'][] = [];
  const answers = new Map<string, Answer>();
  const publisher = await strangersServer(({ url = '', headers: sent }, response: ServerResponse) => {
    asked.push(url);
    headers.push(sent);
    const { status = 200, type = 'text/plain', body = '', headers: more } = answers.get(url) ?? { status: 404 };
    const link = `<${hub.url}>; rel="hub", <${publisher.url}/self/topic>; rel="self"`;
    response.writeHead(status, { 'content-type': type, link, ...more }).end(body);
  });
  onTestFinished(() => publisher[Symbol.asyncDispose]());
  const topic = `${publisher.url}/self/topic`;
  const target = config.target ?? `${publisher.url}/at/target`;
  const store = new FaultyStore();
  const got: string[] = [];
  let handle = (): void => {};
  const service = defineSubscriber(
    { name: 'news', secret: false, unsubscribeOnShutdown: false, delivery, ...config, target },
    {
      onEventNotification: async (event) => {
        handle();
        const urls = (await event.entries()).map(({ url = '' }) => url.replace(publisher.url, ''));
        got.push(`${event.source}: ${urls.join(' ')}`);
      },
    },
  );
  let port = 0;
  const settle = async (): Promise<void> => {
    for (let calm = 0, last = -1; calm < 3; calm = asked.length === last ? calm + 1 : 0) {
      last = asked.length;
      await quiet();
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
    for (let left = milliseconds; left > 0; left -= MINUTE) {
      world.pass(Math.min(MINUTE, left));
      await settle();
    }
  };
  /** What was asked for since the last time. */
  const lately = (): string[] => asked.splice(0);
  return {
    world,
    hub,
    topic,
    answers,
    headers,
    got,
    start,
    pass,
    settle,
    lately,
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
  ])('(%s): thin pings read the target, and relative links are relative to that', async (_what, answer) => {
    const set = await setUp({ fetchThinPings: true });
    set.answers.set('/at/target', feed('one'));
    set.answers.set('/self/topic', answer);
    await set.start();
    set.lately();
    await set.ping();
    await until(() => set.got.length === 1);
    expect(set.got).toEqual(['hub: /at/one.html']);
    expect(set.lately()).toEqual(['/self/topic', '/at/target']);
    // What was found once is kept.
    await set.ping();
    await until(() => set.got.length === 2);
    expect(set.lately()).toEqual(['/at/target']);
  });

  it('polls and catch-ups read the target, also after a restart, and the topic is looked at again at each renewal', async () => {
    const set = await setUp({ pollSeconds: 600 });
    set.answers.set('/at/target', { ...feed('one'), headers: { etag: '"t"' } });
    set.answers.set('/self/topic', { status: 404 });
    const runtime = await set.start();
    await set.pass(30 * MINUTE);
    expect(new Set(set.lately().slice(-2))).toEqual(new Set(['/at/target']));
    expect(set.headers.at(-1)).toMatchObject({ 'if-none-match': '"t"' });
    await runtime.stop();
    set.answers.set('/at/target', feed('two', 'one'));
    await set.pass(30 * MINUTE);
    const again = await set.start();
    await set.pass(30 * MINUTE);
    expect(new Set(set.lately())).toEqual(new Set(['/at/target']));
    expect(set.got.join()).toContain('catch-up: /at/two.html');
    set.answers.set('/self/topic', feed('three', 'two', 'one'));
    const [{ id } = { id: '' }] = await again.subscriptions.find();
    await again.renew(id);
    await set.settle();
    set.lately();
    await set.pass(30 * MINUTE);
    // The silence of its hub leads to one more discovery.
    expect(set.lately().filter((path) => path === '/at/target').length).toBeLessThan(2);
    expect(set.headers.at(-1)).not.toHaveProperty('if-none-match');
    expect(set.got).toContain('poll: /self/three.html');
  });

  it('relative links stay relative to where it was read when the event is tried again later', async () => {
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
    expect(set.got).toEqual(['poll: /at/two.html']);
  });

  it.each([429, 500, 503])('is not read at the target for a %i', async (status) => {
    const set = await setUp({ fetchThinPings: true });
    set.answers.set('/at/target', feed('one'));
    set.answers.set('/self/topic', { status });
    await set.start();
    set.lately();
    await set.ping();
    await until(() => set.world.logged('a handler failed').length > 0);
    expect(set.lately()).toEqual(['/self/topic']);
  });

  it('is read as it is where the target is no feed either, and the target is not asked each time', async () => {
    const set = await setUp({ fetchThinPings: true });
    set.answers.set('/at/target', page);
    set.answers.set('/self/topic', page);
    await set.start();
    set.lately();
    for (const pings of [1, 2]) {
      await set.ping();
      await until(() => set.got.length === pings);
    }
    expect(set.lately()).toEqual(['/self/topic', '/at/target', '/self/topic']);
  });

  it('has no other URL where hub and topic are given', async () => {
    const hub = await TestHub.start();
    onTestFinished(() => hub.close());
    const publisher = await strangersServer((_request, response) => void response.writeHead(404).end());
    onTestFinished(() => publisher[Symbol.asyncDispose]());
    const target = { hub: hub.url, topic: `${publisher.url}/self/topic` };
    const set = await setUp({ fetchThinPings: true }, { target });
    await set.start();
    await hub.distribute(target.topic, '');
    await until(() => set.world.logged('a handler failed').length > 0);
    expect(set.lately()).toEqual([]);
  });

  it('is tried again, target and all, where the target cannot be had now', async () => {
    const set = await setUp({ fetchThinPings: true });
    set.answers.set('/at/target', feed('one'));
    set.answers.set('/self/topic', { status: 410 });
    await set.start();
    set.answers.set('/at/target', { status: 500 });
    set.lately();
    await set.ping();
    await until(() => set.world.logged('a handler failed').length > 0);
    expect(JSON.stringify(set.world.logged('a handler failed').map(({ fields }) => String(fields['err'])))).toContain(
      '/at/target answered 500',
    );
    set.answers.set('/at/target', feed('one'));
    await set.pass(MINUTE);
    await until(() => set.got.length === 1);
    expect(set.lately()).toEqual(['/self/topic', '/at/target', '/self/topic', '/at/target']);
  });
});

it('D14 relative links are relative to where a redirect led', async () => {
  const set = await setUp({ fetchThinPings: true });
  set.answers.set('/at/target', feed('one'));
  set.answers.set('/self/topic', { status: 302, headers: { location: '/elsewhere/feed' } });
  set.answers.set('/elsewhere/feed', feed('one'));
  await set.start();
  await set.ping();
  await until(() => set.got.length === 1);
  expect(set.got).toEqual(['hub: /elsewhere/one.html']);
});
