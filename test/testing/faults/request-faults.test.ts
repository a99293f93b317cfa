import { expect, test } from 'vitest';
import { plainSubscriber, subscribe } from '../../kit/plain-subscriber.js';
import { startHub } from '../../kit/start-hub.js';
import type { TestHub } from '../../../src/testing/index.js';

const unreachableCallback = 'http://127.0.0.1:9/';
const unsubscribeMode = { 'hub.mode': 'unsubscribe' };
const states = (hub: TestHub): string[] => hub.subscriptions.map(({ state }) => state);

test('S3 a hub that requires hub.verify answers 400 without it, and serves the request with it', async () => {
  const hub = await startHub({ verify: 'sync', requires: ['hub.verify'] });
  const topic = hub.topic('/feed');
  const { callback } = await plainSubscriber();
  const answerWithoutVerify = await subscribe(hub, topic, callback);
  expect(answerWithoutVerify.status).toBe(400);
  expect(await answerWithoutVerify.text()).toContain('hub.verify');
  expect(hub.subscriptions).toEqual([]);
  expect((await subscribe(hub, topic, callback, { 'hub.verify': 'async' })).status).toBe(204);
  expect((await subscribe(hub, topic, callback, unsubscribeMode)).status).toBe(400);
  expect(hub.violations).toEqual([]);
  topic.configure({ requires: [] });
  expect((await subscribe(hub, topic, callback)).status).toBe(202);
});

test('S3 an accepted request gets the configured status and body', async () => {
  const hub = await startHub({
    verify: 'never',
    accept: { status: 200, body: ({ form }) => `no place for ${form.get('hub.topic')}` },
  });
  const topic = hub.topic('/feed', { verify: 'sync' });
  const { callback } = await plainSubscriber(() => ({ status: 404 }));
  const response = await subscribe(hub, topic, callback);
  expect(response.status).toBe(200);
  expect(await response.text()).toBe(`no place for ${topic.self}`);
  topic.configure({ accept: { body: 'queued' } });
  const queuedAnswer = await subscribe(hub, topic, callback);
  expect([queuedAnswer.status, await queuedAnswer.text()]).toEqual([202, 'queued']);
});

test('S3 a failure can have a custom body and echo the request', async () => {
  const hub = await startHub();
  const topic = hub.topic('/feed');
  hub.fail(400, { body: ({ form, headers }) => `${form.get('hub.secret')} by ${headers.get('authorization')}` });
  const body = new URLSearchParams({ 'hub.mode': 'subscribe', 'hub.topic': topic.self, 'hub.secret': 'a secret' });
  const response = await fetch(hub.url, { method: 'POST', body, headers: { authorization: 'Bearer token' } });
  expect(await response.text()).toBe('a secret by Bearer token');
  topic.fail(404, { body: 'no such topic' });
  expect(await (await subscribe(hub, topic, unreachableCallback)).text()).toBe('no such topic');
});

test('S3 a failure can apply only to unsubscribe requests', async () => {
  const hub = await startHub({ verify: 'sync' });
  const topic = hub.topic('/feed');
  const { callback } = await plainSubscriber(({ method }) => ({ status: method === 'POST' ? 410 : 404 }));
  hub.configure({ verify: 'unchecked' });
  hub.fail(400, { only: 'unsubscriptions' });
  expect((await subscribe(hub, topic, callback)).status).toBe(202);
  await topic.publish('news');
  expect(states(hub)).toEqual(['gone']);
  expect((await subscribe(hub, topic, callback, unsubscribeMode)).status).toBe(400);
  expect(hub.violations).toEqual([]);
});

test('S3 a failure can apply only to new subscriptions or only to renewals', async () => {
  const hub = await startHub({ verify: 'sync', fail: { status: 503, only: 'renewals' } });
  const [topic, otherTopic] = [hub.topic('/feed'), hub.topic('/other', { fail: { status: 403, only: 'new' } })];
  const { callback } = await plainSubscriber();
  expect((await subscribe(hub, topic, callback)).status).toBe(202);
  expect((await subscribe(hub, topic, callback)).status).toBe(503);
  expect((await subscribe(hub, otherTopic, callback)).status).toBe(403);
  expect((await subscribe(hub, topic, callback, unsubscribeMode)).status).toBe(202);
});

test('S3 a hub answers 429 the configured number of times, across all its topics', async () => {
  const hub = await startHub({ verify: 'never' });
  hub.fail(429, { times: 3, retryAfter: 120 });
  const topics = Array.from({ length: 5 }, (_, index) => hub.topic(`/${index}`));
  const answers = [];
  for (const [index, topic] of topics.entries()) answers.push(await subscribe(hub, topic, unreachableCallback + index));
  expect(answers.map(({ status }) => status)).toEqual([429, 429, 429, 202, 202]);
  expect(answers[0]?.headers.get('retry-after')).toBe('120');
  expect(hub.requests).toHaveLength(5);
});

test("S3 a rate limit applies to all topics of a hub and ends by the hub's clock", async () => {
  let now = 0;
  const hub = await startHub({ verify: 'never', rateLimit: { requests: 2, perSeconds: 60 }, now: () => now });
  const [topic, otherTopic] = [hub.topic('/feed'), hub.topic('/other')];
  const exemptTopic = hub.topic('/shielded', { rateLimit: false });
  const status = async (subject: { self: string }): Promise<number> =>
    (await subscribe(hub, subject, unreachableCallback)).status;
  expect([await status(topic), await status(topic)]).toEqual([202, 202]);
  now = 20_000;
  const limitedAnswer = await subscribe(hub, otherTopic, `${unreachableCallback}other`);
  expect([limitedAnswer.status, limitedAnswer.headers.get('retry-after')]).toEqual([429, '40']);
  expect((await subscribe(hub, exemptTopic, `${unreachableCallback}shielded`)).status).toBe(202);
  now = 60_000;
  expect((await subscribe(hub, otherTopic, `${unreachableCallback}other`)).status).toBe(202);
});

test('V9 a hub can verify while the request is open, and then fail the request', async () => {
  const hub = await startHub({ fail: { status: 500, verifyFirst: true, times: 1 } });
  const topic = hub.topic('/feed');
  const { callback } = await plainSubscriber();
  const release = hub.holdBack('answer');
  const response = subscribe(hub, topic, callback, { 'hub.secret': 's' });
  expect(await hub.verified(topic)).toMatchObject({ secret: 's' });
  expect(await Promise.race([response, Promise.resolve('open')])).toBe('open');
  release();
  expect((await response).status).toBe(500);
  expect(await topic.publish('news')).toMatchObject([{ status: 202 }]);
  expect((await subscribe(hub, topic, callback)).status).toBe(202);
});

test('V9 a request that cannot be served fails without a verification', async () => {
  const hub = await startHub({ fail: { status: 500, verifyFirst: true } });
  const { callback, requests } = await plainSubscriber();
  expect((await subscribe(hub, { self: 'no URL' }, callback)).status).toBe(500);
  expect(requests).toEqual([]);
});

test('S3 a hub can cut the connection instead of answering, even after a verification', async () => {
  const hub = await startHub();
  const topic = hub.topic('/feed');
  const { callback } = await plainSubscriber();
  hub.fail('reset', { times: 1 });
  await expect(subscribe(hub, topic, callback)).rejects.toThrow('fetch failed');
  expect(hub.subscriptions).toEqual([]);
  topic.fail('reset', { times: 1, verifyFirst: true });
  await expect(subscribe(hub, topic, callback)).rejects.toThrow('fetch failed');
  expect(states(hub)).toEqual(['active']);
});

test('S6 unsubscribing a subscription whose request failed is not a violation', async () => {
  const hub = await startHub({ verify: 'sync' });
  const topic = hub.topic('/feed');
  const { callback } = await plainSubscriber();
  hub.fail('reset', { times: 1 });
  await expect(subscribe(hub, topic, callback)).rejects.toThrow('fetch failed');
  expect((await subscribe(hub, topic, callback, unsubscribeMode)).status).toBe(202);
  expect(hub.violations).toEqual([]);
  expect((await subscribe(hub, topic, `${callback}/other`, unsubscribeMode)).status).toBe(400);
  expect(hub.violations).toMatchObject([{ code: 'unsubscribe-unknown' }]);
});

test.each([301, 302, 303] as const)(
  'S3 a hub redirects the configured requests with %i, the configured number of times',
  async (status) => {
    const hub = await startHub({ verify: 'sync' });
    const topic = hub.topic('/feed');
    const { callback } = await plainSubscriber();
    hub.redirect(status, '/elsewhere', { times: 1 });
    const response = await subscribe(hub, topic, callback);
    expect([response.status, response.headers.get('location')]).toEqual([status, '/elsewhere']);
    expect((await subscribe(hub, topic, callback)).status).toBe(202);
    topic.redirect(status, '/elsewhere', { only: 'new' });
    expect((await subscribe(hub, topic, callback)).status).toBe(202);
    expect((await subscribe(hub, topic, `${callback}/other`)).status).toBe(status);
  },
);

test('V6 a hub can use the secret of a renewal as soon as it receives the request', async () => {
  const hub = await startHub({ verify: 'sync', secretFrom: 'request' });
  const topic = hub.topic('/feed');
  const { callback } = await plainSubscriber();
  await subscribe(hub, topic, callback, { 'hub.secret': 'old' });
  hub.configure({ verify: 'never' });
  await subscribe(hub, topic, callback, { 'hub.secret': 'new' });
  expect(hub.subscriptions).toMatchObject([{ state: 'active', secret: 'new' }]);
  await subscribe(hub, topic, callback, unsubscribeMode);
  expect(hub.subscriptions).toMatchObject([{ state: 'active', secret: 'new' }]);
  await subscribe(hub, topic, callback);
  expect(hub.subscriptions[0]?.secret).toBeUndefined();
  hub.configure({ secretFrom: undefined });
  await subscribe(hub, topic, callback, { 'hub.secret': 'newest' });
  expect(hub.subscriptions[0]?.secret).toBeUndefined();
});

test('S5 each request is recorded with its headers, which shows where credentials were sent', async () => {
  const hub = await startHub({ verify: 'never' });
  const topic = hub.topic('/feed');
  const headers = { authorization: 'Bearer token', cookie: 'a=b', 'x-custom': 'c' };
  await fetch(topic.url, { headers });
  await subscribe(hub, topic, unreachableCallback);
  const recordedHeaders = hub.requests.map((request) => [
    request.path,
    ...Object.keys(headers).map((name) => request.headers.get(name)),
  ]);
  expect(recordedHeaders).toEqual([
    ['/feed', 'Bearer token', 'a=b', 'c'],
    ['/hub', null, null, null],
  ]);
});
