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
  const sentHeaders: IncomingMessage['headers'][] = [];
  const answers = new Map<string, Answer>();
  const publisher = await startHttpServer(({ url = '', headers }, response: ServerResponse) => {
    requestedPaths.push(url);
    sentHeaders.push(headers);
    const { status = 200, type = 'text/plain', body = '', headers: extraHeaders } = answers.get(url) ?? { status: 404 };
    const link = `<${hub.url}>; rel="hub", <${publisher.url}/self/topic>; rel="self"`;
    response.writeHead(status, { 'content-type': type, link, ...extraHeaders }).end(body);
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
  /** Returns the paths that were requested since the last call. */
  const takeRequestedPaths = (): string[] => requestedPaths.splice(0);
  return {
    world,
    hub,
    topic,
    answers,
    sentHeaders,
    received,
    start,
    pass,
    settle,
    takeRequestedPaths,
    setHandler: (handler: () => void) => void (handle = handler),
    ping: () => hub.distribute(topic, ''),
  };
}

describe('D14 a topic that cannot be read as a feed', () => {
  it.each<readonly [string, Answer]>([
    ['status 401', { status: 401 }],
    ['status 403', { status: 403 }],
    ['status 404', { status: 404 }],
    ['status 410', { status: 410 }],
    ['an HTML page', page],
    ['an HTML page with the type of a feed', { ...page, type: 'application/atom+xml' }],
  ])('(%s) is replaced by the target for thin pings, also as the base of relative links', async (_what, answer) => {
    const fixture = await setUp({ fetchThinPings: true });
    fixture.answers.set('/at/target', feed('one'));
    fixture.answers.set('/self/topic', answer);
    await fixture.start();
    fixture.takeRequestedPaths();
    await fixture.ping();
    await until(() => fixture.received.length === 1);
    expect(fixture.received).toEqual(['hub: /at/one.html']);
    expect(fixture.takeRequestedPaths()).toEqual(['/self/topic', '/at/target']);
    // The subscription keeps the result.
    await fixture.ping();
    await until(() => fixture.received.length === 2);
    expect(fixture.takeRequestedPaths()).toEqual(['/at/target']);
  });

  it('is replaced by the target for polls and catch-ups until a renewal reads it, even after a restart', async () => {
    const fixture = await setUp({ pollSeconds: 600 });
    fixture.answers.set('/at/target', { ...feed('one'), headers: { etag: '"t"' } });
    fixture.answers.set('/self/topic', { status: 404 });
    const runtime = await fixture.start();
    await fixture.pass(30 * MINUTE);
    expect(new Set(fixture.takeRequestedPaths().slice(-2))).toEqual(new Set(['/at/target']));
    expect(fixture.sentHeaders.at(-1)).toMatchObject({ 'if-none-match': '"t"' });
    await runtime.stop();
    fixture.answers.set('/at/target', feed('two', 'one'));
    await fixture.pass(30 * MINUTE);
    const restarted = await fixture.start();
    await fixture.pass(30 * MINUTE);
    expect(new Set(fixture.takeRequestedPaths())).toEqual(new Set(['/at/target']));
    expect(fixture.received.join()).toContain('catch-up: /at/two.html');
    fixture.answers.set('/self/topic', feed('three', 'two', 'one'));
    const [{ id } = { id: '' }] = await restarted.subscriptions.find();
    await restarted.renew(id);
    await fixture.settle();
    fixture.takeRequestedPaths();
    await fixture.pass(30 * MINUTE);
    // The silence of the hub leads to one more discovery.
    expect(fixture.takeRequestedPaths().filter((path) => path === '/at/target').length).toBeLessThan(2);
    expect(fixture.sentHeaders.at(-1)).not.toHaveProperty('if-none-match');
    expect(fixture.received).toContain('poll: /self/three.html');
  });

  it('has its relative links resolved against the same URL when the event is retried', async () => {
    const fixture = await setUp({ pollSeconds: 600, catchUp: false });
    fixture.answers.set('/at/target', feed('one'));
    fixture.answers.set('/self/topic', { status: 404 });
    const runtime = await fixture.start();
    await fixture.pass(15 * MINUTE);
    fixture.answers.set('/at/target', feed('two', 'one'));
    fixture.setHandler(() => throws(new Error('not now')));
    await fixture.pass(25 * MINUTE);
    await runtime.stop();
    fixture.setHandler(() => {});
    await fixture.start();
    await fixture.pass(60 * MINUTE);
    expect(fixture.received).toEqual(['poll: /at/two.html']);
  });

  it.each([429, 500, 503])('is not replaced by the target if the topic answers %i', async (status) => {
    const fixture = await setUp({ fetchThinPings: true });
    fixture.answers.set('/at/target', feed('one'));
    fixture.answers.set('/self/topic', { status });
    await fixture.start();
    fixture.takeRequestedPaths();
    await fixture.ping();
    await until(() => fixture.world.logged('handler.failed').length > 0);
    expect(fixture.takeRequestedPaths()).toEqual(['/self/topic']);
  });

  it('is read itself if the target is not a feed either, and the target is fetched only once', async () => {
    const fixture = await setUp({ fetchThinPings: true });
    fixture.answers.set('/at/target', page);
    fixture.answers.set('/self/topic', page);
    await fixture.start();
    fixture.takeRequestedPaths();
    for (const pingCount of [1, 2]) {
      await fixture.ping();
      await until(() => fixture.received.length === pingCount);
    }
    expect(fixture.takeRequestedPaths()).toEqual(['/self/topic', '/at/target', '/self/topic']);
  });

  it('lets the event of a thin ping fail if hub and topic are given', async () => {
    const hub = await startHub();
    const requestedPaths: string[] = [];
    const publisher = await startHttpServer(({ url = '' }, response) => {
      requestedPaths.push(url);
      response.writeHead(404).end();
    });
    onTestFinished(() => publisher[Symbol.asyncDispose]());
    const target = { hub: hub.url, topic: `${publisher.url}/self/topic` };
    const fixture = await setUp({ fetchThinPings: true }, { target });
    await fixture.start();
    await hub.distribute(target.topic, '');
    await until(() => fixture.world.logged('handler.failed').length > 0);
    expect(requestedPaths).toEqual(['/self/topic']);
  });

  it('is fetched again, and then the target, after both have failed', async () => {
    const fixture = await setUp({ fetchThinPings: true });
    fixture.answers.set('/at/target', feed('one'));
    fixture.answers.set('/self/topic', { status: 410 });
    await fixture.start();
    fixture.answers.set('/at/target', { status: 500 });
    fixture.takeRequestedPaths();
    await fixture.ping();
    await until(() => fixture.world.logged('handler.failed').length > 0);
    const errors = fixture.world.logged('handler.failed').map(({ fields }) => String(fields['err']));
    expect(errors.join()).toMatch(/\/at\/target\b.* answered 500\b/);
    fixture.answers.set('/at/target', feed('one'));
    await fixture.pass(MINUTE);
    await until(() => fixture.received.length === 1);
    expect(fixture.takeRequestedPaths()).toEqual(['/self/topic', '/at/target', '/self/topic', '/at/target']);
  });
});

it('D14 relative links are resolved against the URL after redirects', async () => {
  const fixture = await setUp({ fetchThinPings: true });
  fixture.answers.set('/at/target', feed('one'));
  fixture.answers.set('/self/topic', { status: 302, headers: { location: '/elsewhere/feed' } });
  fixture.answers.set('/elsewhere/feed', feed('one'));
  await fixture.start();
  await fixture.ping();
  await until(() => fixture.received.length === 1);
  expect(fixture.received).toEqual(['hub: /elsewhere/one.html']);
});
