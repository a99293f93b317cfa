import { expect, test } from 'vitest';
import { confirmAll, plainSubscriber, post, subscribe } from '../../kit/plain-subscriber.js';
import { startHub } from '../../kit/start-hub.js';

const violationCodes = (hub: { readonly violations: ReadonlyArray<{ readonly code: string }> }): string[] =>
  hub.violations.map(({ code }) => code);

test('a request is answered 202, then verified with mode, topic, challenge and lease', async () => {
  const hub = await startHub();
  const topic = hub.topic('/feed');
  const { callback, requests } = await plainSubscriber();
  const answer = await subscribe(hub, topic, callback, { 'hub.lease_seconds': '3600' });
  expect(answer.status).toBe(202);
  const subscription = await hub.verified(topic);

  expect(requests).toHaveLength(1);
  expect(requests[0]?.method).toBe('GET');
  const query = requests[0]?.query ?? new URLSearchParams();
  expect([...query.keys()]).toEqual(['hub.mode', 'hub.topic', 'hub.challenge', 'hub.lease_seconds']);
  expect(query.get('hub.mode')).toBe('subscribe');
  expect(query.get('hub.topic')).toBe(topic.self);
  expect(query.get('hub.challenge')).toMatch(/^[\w+/]{43}=$/);
  expect(query.get('hub.lease_seconds')).toBe('3600');
  expect(subscription).toMatchObject({ topic: topic.self, callback, state: 'active', leaseSeconds: 3600 });
  expect(hub.violations).toEqual([]);
});

test('every verification has a new challenge', async () => {
  const hub = await startHub({ verify: 'sync' });
  const topic = hub.topic('/feed');
  const { callback, requests } = await plainSubscriber();
  await subscribe(hub, topic, callback);
  await subscribe(hub, topic, callback);
  expect(new Set(requests.map(({ query }) => query.get('hub.challenge'))).size).toBe(2);
});

test.each([
  ['/callback?id=42&x=%20y', '/callback?id=42&x=%20y&hub.mode=subscribe'],
  ['/callback?', '/callback?hub.mode=subscribe'],
  ['/callback?id=1&', '/callback?id=1&hub.mode=subscribe'],
  ['/callback', '/callback?hub.mode=subscribe'],
])('V5 the hub keeps the query of callback %s and appends to it', async (path, beginning) => {
  const hub = await startHub({ verify: 'sync' });
  const { origin, requests } = await plainSubscriber();
  await subscribe(hub, hub.topic('/feed'), origin + path);
  expect(requests[0]?.target.slice(0, beginning.length)).toBe(beginning);
});

test.each([
  ['a status other than 2xx', { status: 404, body: 'no' }, []],
  ['a redirect', { status: 302, headers: { location: '/elsewhere' } }, []],
  ['a body that is not the challenge', { status: 200, body: 'yes' }, ['challenge-not-echoed']],
])('%s does not confirm the subscription', async (_name, answer, violations) => {
  const hub = await startHub({ verify: 'sync' });
  const { callback } = await plainSubscriber(() => answer);
  const response = await subscribe(hub, hub.topic('/feed'), callback);
  expect(response.status).toBe(409);
  expect(await response.text()).toContain(`The callback answered ${answer.status}`);
  expect(hub.subscriptions.map(({ state }) => state)).toEqual(['refused']);
  expect(violationCodes(hub)).toEqual(violations);
});

test('a challenge with extra text after it does not confirm the subscription', async () => {
  const hub = await startHub({ verify: 'sync' });
  const { callback } = await plainSubscriber(({ query }) => ({ status: 200, body: `${query.get('hub.challenge')}\n` }));
  await subscribe(hub, hub.topic('/feed'), callback);
  expect(violationCodes(hub)).toEqual(['challenge-not-echoed']);
  expect(hub.violations[0]?.delivery?.kind).toBe('verification');
});

test('a callback that resets the connection does not confirm the subscription', async () => {
  const hub = await startHub({ verify: 'sync' });
  const { callback } = await plainSubscriber(() => 'reset');
  const response = await subscribe(hub, hub.topic('/feed'), callback);
  expect(response.status).toBe(409);
  expect(hub.deliveries[0]).toMatchObject({ kind: 'verification', status: undefined, body: '' });
  expect(hub.deliveries[0]?.error).toBeInstanceOf(Error);
});

test('a callback that does not answer within the timeout does not confirm the subscription', async () => {
  const hub = await startHub({ verify: 'sync', timeoutMs: 30 });
  const { callback } = await plainSubscriber(() => 'hang');
  expect((await subscribe(hub, hub.topic('/feed'), callback)).status).toBe(409);
  expect(hub.deliveries[0]?.error?.cause).toHaveProperty('name', 'TimeoutError');
});

test("S2 verify 'sync' verifies the subscription while the request is open", async () => {
  const hub = await startHub({ verify: 'sync' });
  const topic = hub.topic('/feed');
  const { callback } = await plainSubscriber();
  const release = hub.holdBack('verification');
  let status: number | undefined;
  const answered = subscribe(hub, topic, callback).then((response) => (status = response.status));
  await hub.until(() => hub.subscriptions.length === 1);
  // An answer sent before the verification would arrive before this later one.
  await fetch(topic.url);
  expect(status).toBeUndefined();
  release();
  expect(await answered).toBe(202);
  expect(hub.subscriptions).toMatchObject([{ state: 'active' }]);
});

test("verify 'never' accepts the request and leaves the subscription pending", async () => {
  const hub = await startHub({ verify: 'never' });
  const { callback, requests } = await plainSubscriber();
  expect((await subscribe(hub, hub.topic('/feed'), callback)).status).toBe(202);
  await hub.settled();
  expect(requests).toEqual([]);
  expect(hub.subscriptions).toMatchObject([{ state: 'pending' }]);
});

test("V1 verify 'wrong-topic' names another topic, and confirming that topic is a violation", async () => {
  const hub = await startHub({ verify: 'wrong-topic' });
  const topic = hub.topic('/feed');
  const { callback, requests } = await plainSubscriber();
  await subscribe(hub, topic, callback);
  await hub.settled();
  expect(requests[0]?.query.get('hub.topic')).not.toBe(topic.self);
  expect(hub.subscriptions).toMatchObject([{ topic: topic.self, state: 'refused' }]);
  expect(violationCodes(hub)).toEqual(['confirmed-wrong-topic']);
});

test("V1 refusing the other topic of verify 'wrong-topic' is not a violation", async () => {
  const hub = await startHub({ verify: 'wrong-topic' });
  const { callback } = await plainSubscriber(() => ({ status: 404 }));
  await subscribe(hub, hub.topic('/feed'), callback);
  await hub.settled();
  expect(hub.violations).toEqual([]);
});

test("verify 'wrong-challenge' rejects the correct echo", async () => {
  const hub = await startHub({ verify: 'wrong-challenge' });
  const { callback, requests } = await plainSubscriber();
  await subscribe(hub, hub.topic('/feed'), callback);
  await hub.settled();
  expect(requests).toHaveLength(1);
  expect(hub.subscriptions).toMatchObject([{ state: 'refused' }]);
  expect(hub.violations).toEqual([]);
});

test.each([
  ['as requested', undefined, { 'hub.lease_seconds': '60' }, '60', 60],
  ['of ten days by default', undefined, {}, '864000', 864_000],
  ['set by the fault', 30, { 'hub.lease_seconds': '60' }, '30', 30],
  ['that never expires', 'perpetual', { 'hub.lease_seconds': '60' }, null, undefined],
  ['that is negative', -1, {}, '-1', -1],
  ['that is not a number', Number.NaN, {}, 'NaN', Number.NaN],
] as const)('V2 a hub grants a lease %s', async (_name, leaseSeconds, form, announcedLease, grantedSeconds) => {
  const now = Date.UTC(2030, 0, 1);
  const hub = await startHub({ verify: 'sync', leaseSeconds, now: () => now });
  const { callback, requests } = await plainSubscriber();
  await subscribe(hub, hub.topic('/feed'), callback, form);
  const [subscription] = hub.subscriptions;
  expect(requests[0]?.query.get('hub.lease_seconds')).toBe(announcedLease);
  expect(subscription?.state).toBe('active');
  expect(subscription?.verifiedAt).toEqual(new Date(now));
  expect(subscription?.leaseSeconds).toBe(grantedSeconds);
  expect(subscription?.expiresAt).toEqual(
    grantedSeconds && grantedSeconds > 0 ? new Date(now + grantedSeconds * 1000) : undefined,
  );
});

test('a subscription lapses when its lease expires, and can be requested again', async () => {
  let now = 0;
  const hub = await startHub({ verify: 'sync', leaseSeconds: 10, now: () => now });
  const topic = hub.topic('/feed');
  const { callback } = await plainSubscriber();
  await subscribe(hub, topic, callback);
  now = 9_999;
  expect(hub.subscriptions).toMatchObject([{ state: 'active' }]);
  now = 10_000;
  expect(hub.subscriptions).toMatchObject([{ state: 'lapsed' }]);
  hub.configure({ verify: 'never' });
  await subscribe(hub, topic, callback);
  expect(hub.subscriptions).toMatchObject([{ state: 'pending' }]);
});

test('V6 a renewal changes lease and secret only after it is verified', async () => {
  const hub = await startHub({ verify: 'sync' });
  const topic = hub.topic('/feed');
  const subscriber = await plainSubscriber();
  const { callback } = subscriber;
  await subscribe(hub, topic, callback, { 'hub.secret': 'old', 'hub.lease_seconds': '10' });
  subscriber.answer = () => ({ status: 404 });
  await subscribe(hub, topic, callback, { 'hub.secret': 'new', 'hub.lease_seconds': '20' });
  expect(hub.subscriptions).toMatchObject([{ state: 'active', secret: 'old', leaseSeconds: 10 }]);
  subscriber.answer = confirmAll;
  await subscribe(hub, topic, callback, { 'hub.lease_seconds': '20' });
  expect(hub.subscriptions).toMatchObject([{ state: 'active', leaseSeconds: 20 }]);
  expect(hub.subscriptions[0]?.secret).toBeUndefined();
});

test('a subscription denied during its verification stays denied', async () => {
  const hub = await startHub({ verify: 'never' });
  const topic = hub.topic('/feed');
  const subscriber = await plainSubscriber();
  await subscribe(hub, topic, subscriber.callback);
  let denial: Promise<unknown> | undefined;
  subscriber.answer = (request) => {
    denial ??= hub.deny('meanwhile', { topic: topic.self, callback: subscriber.callback });
    return confirmAll(request);
  };
  await hub.verify({ topic: topic.self, callback: subscriber.callback });
  await denial;
  expect(hub.subscriptions).toMatchObject([{ state: 'denied' }]);
});

test('denying an unknown subscription does not create it', async () => {
  const hub = await startHub();
  const { callback, requests } = await plainSubscriber();
  await hub.deny('no', { topic: 'http://example.com/', callback });
  expect(requests[0]?.query.get('hub.mode')).toBe('denied');
  expect(hub.subscriptions).toEqual([]);
});

test('V3 an unsubscription is verified without a lease and ends the subscription', async () => {
  const hub = await startHub();
  const topic = hub.topic('/feed');
  const { callback, requests } = await plainSubscriber();
  await subscribe(hub, topic, callback);
  await hub.verified(topic);
  const response = await subscribe(hub, topic, callback, { 'hub.mode': 'unsubscribe' });
  expect(response.status).toBe(202);
  await hub.unsubscribed(topic);
  expect([...(requests[1]?.query.keys() ?? [])]).toEqual(['hub.mode', 'hub.topic', 'hub.challenge']);
  expect(requests[1]?.query.get('hub.mode')).toBe('unsubscribe');
  expect(hub.violations).toEqual([]);
});

test('V3 an unconfirmed unsubscription leaves the subscription active', async () => {
  const hub = await startHub({ verify: 'sync' });
  const topic = hub.topic('/feed');
  const subscriber = await plainSubscriber();
  await subscribe(hub, topic, subscriber.callback);
  subscriber.answer = () => ({ status: 404 });
  const response = await subscribe(hub, topic, subscriber.callback, { 'hub.mode': 'unsubscribe' });
  expect(response.status).toBe(409);
  expect(hub.subscriptions).toMatchObject([{ state: 'active' }]);
});

test('S4 hub.verify=sync leads to a verification at once and a 204, and the hub echoes the token', async () => {
  const hub = await startHub();
  const { callback, requests } = await plainSubscriber();
  const form = { 'hub.verify': 'sync', 'hub.verify_token': 'a token' };
  const response = await subscribe(hub, hub.topic('/feed'), callback, form);
  expect(response.status).toBe(204);
  expect(requests[0]?.query.get('hub.verify_token')).toBe('a token');
  expect(hub.subscriptions).toMatchObject([{ state: 'active' }]);
});

test('S4 a PubSubHubbub 0.3 hub requires hub.verify and uses the first preference', async () => {
  const hub = await startHub({ protocol: 'pubsubhubbub-0.3' });
  const topic = hub.topic('/feed');
  const { callback } = await plainSubscriber();
  expect((await subscribe(hub, topic, callback)).status).toBe(400);
  expect(violationCodes(hub)).toEqual(['missing-verify']);
  const body = new URLSearchParams({ 'hub.mode': 'subscribe', 'hub.topic': topic.self, 'hub.callback': callback });
  body.append('hub.verify', 'async');
  body.append('hub.verify', 'sync');
  expect((await fetch(hub.url, { method: 'POST', body })).status).toBe(202);
  await hub.verified();
  expect(violationCodes(hub)).toEqual(['missing-verify']);
});

test('a subscription to a topic of another server is verified', async () => {
  const hub = await startHub({ verify: 'sync' });
  const { callback } = await plainSubscriber();
  await post(hub, { 'hub.mode': 'subscribe', 'hub.topic': 'https://example.com/feed', 'hub.callback': callback });
  expect(hub.subscriptions).toMatchObject([{ topic: 'https://example.com/feed', state: 'active' }]);
});
