import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { confirmAll, plainSubscriber, subscribe, type CallbackRequest } from '../../kit/plain-subscriber.js';
import { startHub } from '../../kit/start-hub.js';

const contentRequests = (requests: readonly CallbackRequest[]): CallbackRequest[] =>
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

  const [contentRequest] = contentRequests(requests);
  expect(contentRequest?.body.equals(body)).toBe(true);
  expect(contentRequest?.headers['content-type']).toBe('application/octet-stream');
  expect(contentRequest?.headers['link']).toBe(`<${hub.url}>; rel="hub", <${topic.self}>; rel="self"`);
  expect(contentRequest?.headers['x-hub-signature']).toBe(`sha256=${hmac('sha256', 'très secret', body)}`);
  expect(deliveries).toMatchObject([{ kind: 'content', callback, topic: topic.self, status: 202, error: undefined }]);
  expect(hub.deliveries.at(-1)).toBe(deliveries[0]);
});

test('content is not signed without a secret', async () => {
  const hub = await startHub({ verify: 'sync' });
  const topic = hub.topic('/feed');
  const { callback, requests } = await plainSubscriber();
  await subscribe(hub, topic, callback);
  await topic.publish('news', { contentType: 'application/json' });
  const [contentRequest] = contentRequests(requests);
  expect(contentRequest?.headers['x-hub-signature']).toBeUndefined();
  expect(contentRequest?.headers['content-type']).toBe('application/json');
  expect(contentRequest?.body.toString()).toBe('news');
});

test.each(['sha1', 'sha256', 'sha384', 'sha512'] as const)(
  'C2 content is signed with %s when configured',
  async (algorithm) => {
    const hub = await startHub({ verify: 'sync', algorithm });
    const topic = hub.topic('/feed');
    const { callback, requests } = await plainSubscriber();
    await subscribe(hub, topic, callback, { 'hub.secret': 's' });
    await topic.publish('news');
    expect(contentRequests(requests)[0]?.headers['x-hub-signature']).toBe(
      `${algorithm}=${hmac(algorithm, 's', 'news')}`,
    );
  },
);

test('a PubSubHubbub 0.3 hub signs with sha1', async () => {
  const hub = await startHub({ protocol: 'pubsubhubbub-0.3' });
  const topic = hub.topic('/feed');
  const { callback, requests } = await plainSubscriber();
  await subscribe(hub, topic, callback, { 'hub.secret': 's', 'hub.verify': 'sync' });
  await topic.publish('news');
  expect(contentRequests(requests)[0]?.headers['x-hub-signature']).toBe(`sha1=${hmac('sha1', 's', 'news')}`);
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
    const [wrong, malformed, missing] = contentRequests(requests).map(({ headers }) => headers['x-hub-signature']);
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
  const otherTopic = hub.topic('/other');
  const { origin } = await plainSubscriber();
  await subscribe(hub, topic, `${origin}/lapsed`, { 'hub.lease_seconds': '10' });
  now = 20_000;
  await subscribe(hub, topic, `${origin}/one`);
  await subscribe(hub, topic, `${origin}/two`);
  await subscribe(hub, otherTopic, `${origin}/other`);
  hub.configure({ verify: 'never' });
  await subscribe(hub, topic, `${origin}/pending`);
  const deliveries = await topic.publish('news');
  expect(deliveries.map(({ callback }) => callback)).toEqual([`${origin}/one`, `${origin}/two`]);
});

test('C7 a 410 response ends its subscription, and no other subscription', async () => {
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
  expect(contentRequests(subscriber.requests)).toHaveLength(1);
});

test('a delivery has the error if the callback resets the connection', async () => {
  const hub = await startHub({ verify: 'sync' });
  const topic = hub.topic('/feed');
  const subscriber = await plainSubscriber();
  await subscribe(hub, topic, subscriber.callback);
  subscriber.answer = () => 'reset';
  const [delivery] = await topic.publish('news');
  expect(delivery?.status).toBeUndefined();
  expect(delivery?.error).toBeInstanceOf(Error);
});

test('the hub tells the subscriber to close the connection', async () => {
  const hub = await startHub({ verify: 'sync' });
  const { callback, requests } = await plainSubscriber();
  await subscribe(hub, hub.topic('/feed'), callback);
  expect(requests[0]?.headers['connection']).toBe('close');
});

test('published content is also distributed by another TestHub that the topic names', async () => {
  const otherHub = await startHub({ verify: 'sync' });
  const hub = await startHub({ verify: 'sync' });
  const topic = hub.topic('/feed', { hubs: [otherHub, hub] });
  const { origin, requests } = await plainSubscriber();
  await subscribe(otherHub, topic, `${origin}/other`);
  await subscribe(hub, topic, `${origin}/own`);
  const deliveries = await topic.publish('news');
  expect(deliveries.map(({ callback }) => callback)).toEqual([`${origin}/own`, `${origin}/other`]);
  const requestFromOtherHub = contentRequests(requests).find(({ target }) => target === '/other');
  expect(requestFromOtherHub?.headers['link']).toContain(`<${otherHub.url}>; rel="hub"`);
  await otherHub.close();
  expect(await topic.publish('more')).toHaveLength(1);
});

test('a hub distributes content of a topic it does not publish', async () => {
  const hub = await startHub({ verify: 'sync' });
  const { callback, requests } = await plainSubscriber();
  await subscribe(hub, { self: 'https://example.com/feed' }, callback);
  expect(await hub.distribute('https://example.com/feed', 'news')).toMatchObject([{ status: 202 }]);
  expect(contentRequests(requests)[0]?.headers['content-type']).toBe('text/plain; charset=utf-8');
  expect(await hub.distribute('https://example.com/other', 'news')).toEqual([]);
});

test('https callbacks are verified and get content only if their certificate is trusted', async () => {
  const pem = (name: string): Promise<Buffer> => readFile(new URL(`../../fixtures/tls/${name}.pem`, import.meta.url));
  const cert = await pem('certificate');
  const tls = { key: await pem('key'), cert };
  const { callback } = await plainSubscriber(confirmAll, tls);
  const trustingHub = await startHub({ verify: 'sync', ca: cert });
  const topic = trustingHub.topic('/feed');
  await subscribe(trustingHub, topic, callback);
  expect(await topic.publish('news')).toMatchObject([{ status: 202 }]);

  const distrustingHub = await startHub({ verify: 'sync' });
  expect((await subscribe(distrustingHub, topic, callback)).status).toBe(409);
});

test('L7 a silent hub verifies but delivers nothing, and a GET returns the published content', async () => {
  const hub = await startHub({ verify: 'sync', silent: true });
  const topic = hub.topic('/feed', { body: 'first' });
  const { callback, requests } = await plainSubscriber();
  await subscribe(hub, topic, callback);
  expect(hub.subscriptions).toMatchObject([{ state: 'active' }]);
  expect(await topic.publish('second')).toEqual([]);
  expect(contentRequests(requests)).toEqual([]);
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
  const [first, second, third] = contentRequests(requests).map(({ headers }) => headers);
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
    const requestsBefore = subscriber.requests.length;
    subscriber.answer = () => ({ status: statuses.shift() ?? 500 });
    await topic.publish('news');
    return subscriber.requests.length - requestsBefore;
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
