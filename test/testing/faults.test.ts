import { expect, test } from 'vitest';
import { plainSubscriber, subscribe } from '../kit/plain-subscriber.js';
import { startHub } from '../kit/start-hub.js';

test('S3 a hub fails the configured number of requests, with Retry-After in seconds', async () => {
  const hub = await startHub({ verify: 'sync' });
  const topic = hub.topic('/feed');
  const { callback } = await plainSubscriber();
  hub.fail(503, { times: 2, retryAfter: 7 });
  const first = await subscribe(hub, topic, callback);
  expect(first.status).toBe(503);
  expect(first.headers.get('retry-after')).toBe('7');
  expect(await first.text()).toContain('503');
  expect((await subscribe(hub, topic, callback)).status).toBe(503);
  expect(hub.subscriptions).toEqual([]);
  expect((await subscribe(hub, topic, callback)).status).toBe(202);
});

test('S3 Retry-After can be a date', async () => {
  const hub = await startHub({ fail: { status: 429, retryAfter: new Date(Date.UTC(2030, 0, 1)) } });
  const response = await subscribe(hub, hub.topic('/feed'), 'http://127.0.0.1:9/');
  expect(response.status).toBe(429);
  expect(response.headers.get('retry-after')).toBe('Tue, 01 Jan 2030 00:00:00 GMT');
});

test('a failure without times lasts until it is switched off', async () => {
  const hub = await startHub({ verify: 'never' });
  const topic = hub.topic('/feed');
  hub.fail(500);
  for (const _ of [1, 2, 3]) expect((await subscribe(hub, topic, 'http://127.0.0.1:9/')).status).toBe(500);
  expect((await subscribe(hub, topic, 'http://127.0.0.1:9/')).headers.get('retry-after')).toBeNull();
  hub.configure({ fail: false });
  expect((await subscribe(hub, topic, 'http://127.0.0.1:9/')).status).toBe(202);
});

test("a topic applies its own failure before the hub's, and can switch the hub's off", async () => {
  const hub = await startHub({ verify: 'never' });
  const topic = hub.topic('/feed', { fail: { status: 500, times: 1 } });
  const exemptTopic = hub.topic('/shielded', { fail: false });
  hub.fail(503);
  const callback = 'http://127.0.0.1:9/';
  expect((await subscribe(hub, topic, callback)).status).toBe(500);
  expect((await subscribe(hub, topic, callback)).status).toBe(503);
  expect((await subscribe(hub, exemptTopic, `${callback}other`)).status).toBe(202);
  topic.fail(400, { times: 1 });
  expect((await subscribe(hub, topic, callback)).status).toBe(400);
});

test('violations are recorded even when the request fails', async () => {
  const hub = await startHub({ fail: { status: 503 } });
  expect((await fetch(hub.url, { method: 'POST', body: new URLSearchParams({ 'hub.topic': 'x' }) })).status).toBe(503);
  expect(hub.violations).not.toEqual([]);
});

test.each([307, 308] as const)('S3 a hub redirects with %i, which preserves method and body', async (status) => {
  const targetHub = await startHub({ verify: 'sync' });
  const hub = await startHub();
  hub.redirect(status, targetHub.url);
  const topic = hub.topic('/feed');
  const { callback } = await plainSubscriber();
  const response = await subscribe(hub, topic, callback);
  expect(response.status).toBe(status);
  expect(response.headers.get('location')).toBe(targetHub.url);
  const body = new URLSearchParams({ 'hub.mode': 'subscribe', 'hub.topic': topic.self, 'hub.callback': callback });
  await fetch(hub.url, { method: 'POST', body });
  expect(targetHub.subscriptions).toMatchObject([{ state: 'active' }]);
});

test('a topic can redirect its own requests', async () => {
  const hub = await startHub({ verify: 'never' });
  const topic = hub.topic('/feed');
  topic.redirect(307, '/elsewhere');
  expect((await subscribe(hub, topic, 'http://127.0.0.1:9/')).headers.get('location')).toBe('/elsewhere');
  topic.configure({ redirect: undefined });
  expect((await subscribe(hub, topic, 'http://127.0.0.1:9/')).status).toBe(202);
});

test('N1 a request is accepted, then denied with topic and reason', async () => {
  const hub = await startHub({ deny: 'not for you' });
  const topic = hub.topic('/feed');
  const { callback, requests } = await plainSubscriber();
  expect((await subscribe(hub, topic, callback)).status).toBe(202);
  await hub.settled();
  expect(requests.map(({ query }) => [...query])).toEqual([
    [
      ['hub.mode', 'denied'],
      ['hub.topic', topic.self],
      ['hub.reason', 'not for you'],
    ],
  ]);
  expect(hub.subscriptions).toMatchObject([{ state: 'denied' }]);
  expect(hub.deliveries).toMatchObject([{ kind: 'denial' }]);
});

test('N1 an active subscription can be denied and receives nothing more', async () => {
  const hub = await startHub({ verify: 'sync' });
  const [topic, exemptTopic] = [hub.topic('/feed'), hub.topic('/shielded', { deny: false })];
  const { origin, requests } = await plainSubscriber();
  await subscribe(hub, topic, `${origin}/one`);
  await subscribe(hub, exemptTopic, `${origin}/two`);
  expect(await hub.deny()).toMatchObject([{ kind: 'denial', callback: `${origin}/one`, status: 202 }]);
  expect(requests.at(-1)?.query.has('hub.reason')).toBe(false);
  expect(await topic.publish('news')).toEqual([]);
  expect(await exemptTopic.publish('news')).toHaveLength(1);
  await subscribe(hub, topic, `${origin}/one`);
  await hub.settled();
  expect(hub.subscriptions).toMatchObject([{ state: 'denied' }, { state: 'active' }]);
});

test('N1 one subscription can be denied without denying later requests', async () => {
  const hub = await startHub({ verify: 'sync' });
  const topic = hub.topic('/feed');
  const { callback } = await plainSubscriber();
  await subscribe(hub, topic, callback);
  const [subscription] = hub.subscriptions;
  expect(subscription && (await hub.deny('enough', subscription))).toMatchObject([{ kind: 'denial' }]);
  await subscribe(hub, topic, callback);
  expect(hub.subscriptions).toMatchObject([{ state: 'active' }]);
});

test('N1 one topic can be denied, and unsubscribe requests are still served', async () => {
  const hub = await startHub({ verify: 'sync' });
  const [topic, otherTopic] = [hub.topic('/feed'), hub.topic('/other')];
  const { origin } = await plainSubscriber();
  await subscribe(hub, topic, `${origin}/one`);
  await subscribe(hub, otherTopic, `${origin}/two`);
  expect(await topic.deny('gone')).toMatchObject([{ topic: topic.self }]);
  await otherTopic.deny();
  await subscribe(hub, otherTopic, `${origin}/two`, { 'hub.mode': 'unsubscribe' });
  expect(hub.subscriptions).toMatchObject([{ state: 'denied' }, { state: 'unsubscribed' }]);
});

test('N3 a hub error is sent to subscribers and changes no subscription', async () => {
  const hub = await startHub({ verify: 'sync' });
  const [topic, otherTopic] = [hub.topic('/feed'), hub.topic('/other')];
  const { origin, requests } = await plainSubscriber();
  await subscribe(hub, topic, `${origin}/one`);
  await subscribe(hub, otherTopic, `${origin}/two`);
  expect(await hub.error('out of disk')).toMatchObject([{ kind: 'hub-error', status: 202 }, { kind: 'hub-error' }]);
  expect(await topic.error()).toMatchObject([{ topic: topic.self }]);
  expect(requests.at(-1)?.query.get('hub.mode')).toBe('hub-error');
  expect(requests.at(-2)?.query.get('hub.reason')).toBe('out of disk');
  expect(hub.subscriptions).toMatchObject([{ state: 'active' }, { state: 'active' }]);
});

test('responses, verifications, content and topics are each delayed by their own delay', async () => {
  const hub = await startHub({ verify: 'sync', delayMs: { answer: 30, verification: 30 } });
  const topic = hub.topic('/feed');
  const { callback } = await plainSubscriber();
  const millisecondsOf = async (work: () => Promise<unknown>): Promise<number> => {
    const startedAt = performance.now();
    await work();
    return performance.now() - startedAt;
  };
  expect(await millisecondsOf(() => subscribe(hub, topic, callback))).toBeGreaterThan(55);
  hub.configure({ delayMs: { content: 30 } });
  expect(await millisecondsOf(() => topic.publish('news'))).toBeGreaterThan(28);
  topic.configure({ delayMs: 30 });
  expect(await millisecondsOf(() => fetch(topic.url))).toBeGreaterThan(28);
});
