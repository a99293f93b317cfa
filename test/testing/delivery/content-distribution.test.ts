import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { compliant, plainSubscriber, subscribe, type CallbackRequest } from '../../kit/plain-subscriber.js';
import { startHub } from '../../kit/start-hub.js';

const content = (requests: readonly CallbackRequest[]): CallbackRequest[] =>
  requests.filter(({ method }) => method === 'POST');

const hmac = (method: string, secret: string, body: string | Uint8Array): string =>
  createHmac(method, secret).update(body).digest('hex');

test('content is sent byte for byte, with its content type, its links and the signature', async () => {
  const hub = await startHub({ verify: 'sync' });
  const topic = hub.topic('/feed', { contentType: 'application/octet-stream' });
  const { callback, requests } = await plainSubscriber();
  await subscribe(hub, topic, callback, { 'hub.secret': 'très secret' });
  const body = Uint8Array.from({ length: 256 }, (_, index) => index);
  const deliveries = await topic.publish(body);

  const [sent] = content(requests);
  expect(sent?.body.equals(body)).toBe(true);
  expect(sent?.headers['content-type']).toBe('application/octet-stream');
  expect(sent?.headers['link']).toBe(`<${hub.url}>; rel="hub", <${topic.self}>; rel="self"`);
  expect(sent?.headers['x-hub-signature']).toBe(`sha256=${hmac('sha256', 'très secret', body)}`);
  expect(deliveries).toMatchObject([{ kind: 'content', callback, topic: topic.self, status: 202, error: undefined }]);
  expect(hub.deliveries.at(-1)).toBe(deliveries[0]);
});

test('content is not signed without a secret', async () => {
  const hub = await startHub({ verify: 'sync' });
  const topic = hub.topic('/feed');
  const { callback, requests } = await plainSubscriber();
  await subscribe(hub, topic, callback);
  await topic.publish('news', { contentType: 'application/json' });
  const [sent] = content(requests);
  expect(sent?.headers['x-hub-signature']).toBeUndefined();
  expect(sent?.headers['content-type']).toBe('application/json');
  expect(sent?.body.toString()).toBe('news');
});

test.each(['sha1', 'sha256', 'sha384', 'sha512'] as const)(
  'C2 content is signed with %s when configured',
  async (algorithm) => {
    const hub = await startHub({ verify: 'sync', algorithm });
    const topic = hub.topic('/feed');
    const { callback, requests } = await plainSubscriber();
    await subscribe(hub, topic, callback, { 'hub.secret': 's' });
    await topic.publish('news');
    expect(content(requests)[0]?.headers['x-hub-signature']).toBe(`${algorithm}=${hmac(algorithm, 's', 'news')}`);
  },
);

test('a PubSubHubbub 0.3 hub signs with sha1', async () => {
  const hub = await startHub({ protocol: 'pubsubhubbub-0.3' });
  const topic = hub.topic('/feed');
  const { callback, requests } = await plainSubscriber();
  await subscribe(hub, topic, callback, { 'hub.secret': 's', 'hub.verify': 'sync' });
  await topic.publish('news');
  expect(content(requests)[0]?.headers['x-hub-signature']).toBe(`sha1=${hmac('sha1', 's', 'news')}`);
});

test.each<Record<string, string>>([{ 'hub.secret': 's' }, {}])(
  'C2 a signature can be wrong, malformed or missing (%j)',
  async (form) => {
    const hub = await startHub({ verify: 'sync' });
    const topic = hub.topic('/feed');
    const { callback, requests } = await plainSubscriber();
    await subscribe(hub, topic, callback, form);
    for (const signature of ['wrong', 'malformed', 'missing'] as const) {
      topic.configure({ signature });
      await topic.publish('news');
    }
    const [wrong, malformed, missing] = content(requests).map(({ headers }) => headers['x-hub-signature']);
    expect(wrong).toMatch(/^sha256=[\da-f]{64}$/);
    expect(wrong).not.toContain(hmac('sha256', 's', 'news'));
    expect(malformed).toMatch(/^[\da-f]{64}$/);
    expect(missing).toBeUndefined();
  },
);

test('only active subscribers of the topic receive content', async () => {
  let now = 0;
  const hub = await startHub({ verify: 'sync', now: () => now });
  const topic = hub.topic('/feed');
  const other = hub.topic('/other');
  const { origin } = await plainSubscriber();
  await subscribe(hub, topic, `${origin}/lapsed`, { 'hub.lease_seconds': '10' });
  now = 20_000;
  await subscribe(hub, topic, `${origin}/one`);
  await subscribe(hub, topic, `${origin}/two`);
  await subscribe(hub, other, `${origin}/other`);
  hub.configure({ verify: 'never' });
  await subscribe(hub, topic, `${origin}/pending`);
  const deliveries = await topic.publish('news');
  expect(deliveries.map(({ callback }) => callback)).toEqual([`${origin}/one`, `${origin}/two`]);
});

test('C7 a 410 response ends that subscription, and only that one', async () => {
  const hub = await startHub({ verify: 'sync' });
  const topic = hub.topic('/feed');
  const subscriber = await plainSubscriber();
  await subscribe(hub, topic, `${subscriber.origin}/one`);
  await subscribe(hub, topic, `${subscriber.origin}/two`);
  subscriber.answer = ({ target }) => ({
    status: target === '/one' ? 410 : 500,
    headers: { 'x-a': 'b' },
    body: 'reason=no',
  });
  const deliveries = await topic.publish('first');
  expect(deliveries).toMatchObject([{ status: 410, body: 'reason=no' }, { status: 500 }]);
  expect(deliveries[0]?.headers.get('x-a')).toBe('b');
  expect(hub.subscriptions).toMatchObject([{ state: 'gone' }, { state: 'active' }]);
  expect(await topic.publish('second')).toHaveLength(1);
});

test('a redirect is not followed', async () => {
  const hub = await startHub({ verify: 'sync' });
  const topic = hub.topic('/feed');
  const subscriber = await plainSubscriber();
  await subscribe(hub, topic, subscriber.callback);
  subscriber.answer = () => ({ status: 307, headers: { location: '/elsewhere' } });
  expect(await topic.publish('news')).toMatchObject([{ status: 307 }]);
  expect(content(subscriber.requests)).toHaveLength(1);
});

test('the delivery to an unreachable callback carries the error', async () => {
  const hub = await startHub({ verify: 'sync' });
  const topic = hub.topic('/feed');
  const subscriber = await plainSubscriber();
  await subscribe(hub, topic, subscriber.callback);
  subscriber.answer = () => 'reset';
  const [delivery] = await topic.publish('news');
  expect(delivery?.status).toBeUndefined();
  expect(delivery?.error).toBeInstanceOf(Error);
});

test('the hub keeps no connection to a subscriber open', async () => {
  const hub = await startHub({ verify: 'sync' });
  const { callback, requests } = await plainSubscriber();
  await subscribe(hub, hub.topic('/feed'), callback);
  expect(requests[0]?.headers['connection']).toBe('close');
});

test('another hub named as a TestHub also distributes published content', async () => {
  const other = await startHub({ verify: 'sync' });
  const hub = await startHub({ verify: 'sync' });
  const topic = hub.topic('/feed', { hubs: [other, hub] });
  const { origin, requests } = await plainSubscriber();
  await subscribe(other, topic, `${origin}/other`);
  await subscribe(hub, topic, `${origin}/own`);
  const deliveries = await topic.publish('news');
  expect(deliveries.map(({ callback }) => callback)).toEqual([`${origin}/own`, `${origin}/other`]);
  const toOther = content(requests).find(({ target }) => target === '/other');
  expect(toOther?.headers['link']).toContain(`<${other.url}>; rel="hub"`);
  await other.close();
  expect(await topic.publish('more')).toHaveLength(1);
});

test('a hub distributes content of a topic it does not publish', async () => {
  const hub = await startHub({ verify: 'sync' });
  const { callback, requests } = await plainSubscriber();
  await subscribe(hub, { self: 'https://example.com/feed' }, callback);
  expect(await hub.distribute('https://example.com/feed', 'news')).toMatchObject([{ status: 202 }]);
  expect(content(requests)[0]?.headers['content-type']).toBe('text/plain; charset=utf-8');
  expect(await hub.distribute('https://example.com/other', 'news')).toEqual([]);
});

test('https callbacks are verified and delivered to when their certificate is trusted', async () => {
  const pem = (name: string): Promise<Buffer> => readFile(new URL(`../../fixtures/tls/${name}.pem`, import.meta.url));
  const cert = await pem('certificate');
  const tls = { key: await pem('key'), cert };
  const { callback } = await plainSubscriber(compliant, tls);
  const trusting = await startHub({ verify: 'sync', ca: cert });
  const topic = trusting.topic('/feed');
  await subscribe(trusting, topic, callback);
  expect(await topic.publish('news')).toMatchObject([{ status: 202 }]);

  const distrusting = await startHub({ verify: 'sync' });
  expect((await subscribe(distrusting, topic, callback)).status).toBe(409);
});

test('L7 a silent hub verifies but delivers nothing, and a GET returns the published content', async () => {
  const hub = await startHub({ verify: 'sync', silent: true });
  const topic = hub.topic('/feed', { body: 'first' });
  const { callback, requests } = await plainSubscriber();
  await subscribe(hub, topic, callback);
  expect(hub.subscriptions).toMatchObject([{ state: 'active' }]);
  expect(await topic.publish('second')).toEqual([]);
  expect(content(requests)).toEqual([]);
  expect(await (await fetch(topic.url)).text()).toBe('second');
  topic.configure({ silent: false });
  expect(await topic.publish('third')).toMatchObject([{ status: 202 }]);
});

test('L7 content can name another hub and topic, and carry custom headers', async () => {
  const hub = await startHub({ verify: 'sync' });
  const topic = hub.topic('/feed');
  const { callback, requests } = await plainSubscriber();
  await subscribe(hub, topic, callback, { 'hub.secret': 's' });
  const link = '<https://new.example/hub>; rel="hub", <https://new.example/feed>; rel="self"';
  await topic.publish('news', { headers: { Link: link, 'X-Custom': 'c', ETag: '"1"' } });
  await topic.publish('news', {
    headers: { link: undefined, 'Content-Type': 'text/html', 'X-Hub-Signature': 'sha1=0' },
  });
  await hub.distribute(topic.self, 'news', { headers: { link } });
  const [first, second, third] = content(requests).map(({ headers }) => headers);
  expect(first).toMatchObject({ link, 'x-custom': 'c', etag: '"1"', 'content-type': 'text/plain; charset=utf-8' });
  expect(first?.['x-hub-signature']).toBe(`sha256=${hmac('sha256', 's', 'news')}`);
  expect(second).toMatchObject({ 'content-type': 'text/html', 'x-hub-signature': 'sha1=0' });
  expect(second?.['link']).toBeUndefined();
  expect(third?.['link']).toBe(link);
});

test('C7 content is retried the configured number of times, until it is accepted', async () => {
  const hub = await startHub({ verify: 'sync', retries: 3 });
  const topic = hub.topic('/feed');
  const subscriber = await plainSubscriber();
  await subscribe(hub, topic, subscriber.callback);
  const attemptsFor = async (...statuses: number[]): Promise<number> => {
    const before = subscriber.requests.length;
    subscriber.answer = () => ({ status: statuses.shift() ?? 500 });
    await topic.publish('news');
    return subscriber.requests.length - before;
  };
  expect(await attemptsFor(503, 503, 202)).toBe(3);
  expect(await attemptsFor()).toBe(4);
  expect(hub.subscriptions).toMatchObject([{ state: 'active' }]);
  expect(await attemptsFor(503, 410)).toBe(2);
  expect(hub.subscriptions).toMatchObject([{ state: 'gone' }]);
});

test('C7 a hub can drop the subscription at the first failure, as PuSHPress does', async () => {
  const hub = await startHub({ verify: 'sync', dropOnFailure: true });
  const topic = hub.topic('/feed');
  const subscriber = await plainSubscriber();
  await subscribe(hub, topic, subscriber.callback);
  expect(await topic.publish('news')).toMatchObject([{ status: 202 }]);
  subscriber.answer = () => ({ status: 503 });
  await topic.publish('news');
  expect(hub.subscriptions).toMatchObject([{ state: 'gone' }]);
  expect(await topic.publish('news')).toEqual([]);
});
