import { expect, test } from 'vitest';
import { confirmAll, plainSubscriber, post, subscribe } from '../kit/plain-subscriber.js';
import { startHub } from '../kit/start-hub.js';
import type { TestHub } from '../../src/testing/index.js';

const states = (hub: TestHub): string[] => hub.subscriptions.map(({ state }) => state);
const violationCodes = (hub: TestHub): string[] => hub.violations.map(({ code }) => code);
const unsubscribeMode = { 'hub.mode': 'unsubscribe' };

test('the verify mode can differ between subscribe and unsubscribe requests', async () => {
  const hub = await startHub({ verify: { subscriptions: 'sync', unsubscriptions: 'never' } });
  const topic = hub.topic('/feed', { verify: { subscriptions: 'sync' } });
  const otherTopic = hub.topic('/other');
  const { origin, requests } = await plainSubscriber();
  await subscribe(hub, otherTopic, `${origin}/one`);
  expect((await subscribe(hub, otherTopic, `${origin}/one`, unsubscribeMode)).status).toBe(202);
  await hub.settled();
  expect(states(hub)).toEqual(['active']);
  expect(requests).toHaveLength(1);
  await subscribe(hub, topic, `${origin}/two`);
  await subscribe(hub, topic, `${origin}/two`, unsubscribeMode);
  await hub.unsubscribed(topic);
});

test("S4 verify 'unchecked' activates without a verification, and answers a 0.3 request with 204", async () => {
  const hub = await startHub({ verify: 'unchecked', leaseSeconds: 60 });
  const topic = hub.topic('/feed');
  const { callback, requests } = await plainSubscriber();
  const form = { 'hub.verify': 'async', 'hub.secret': 's' };
  expect((await subscribe(hub, topic, callback, form)).status).toBe(204);
  expect(requests).toEqual([]);
  expect(hub.subscriptions).toMatchObject([{ state: 'active', leaseSeconds: 60, secret: 's' }]);
  expect(await topic.publish('news')).toMatchObject([{ status: 202 }]);
  expect((await subscribe(hub, topic, callback, { ...form, ...unsubscribeMode })).status).toBe(204);
  expect(states(hub)).toEqual(['unsubscribed']);
  expect((await subscribe(hub, topic, callback)).status).toBe(202);
  expect(hub.violations).toEqual([]);
});

test('S4 a hub can answer 204 and never call the callback', async () => {
  const hub = await startHub({ verify: 'never', accept: { status: 204 } });
  const { callback, requests } = await plainSubscriber();
  expect((await subscribe(hub, hub.topic('/feed'), callback)).status).toBe(204);
  await hub.settled();
  expect(requests).toEqual([]);
  expect(states(hub)).toEqual(['pending']);
});

test('S4 a hub can answer 204 although the subscriber refused the verification', async () => {
  const hub = await startHub({ verify: 'sync', accept: { status: 204 } });
  const { callback } = await plainSubscriber(() => ({ status: 404 }));
  expect((await subscribe(hub, hub.topic('/feed'), callback, { 'hub.verify': 'sync' })).status).toBe(204);
  expect(states(hub)).toEqual(['refused']);
});

test("V3 verify 'wrong-mode' names the mode subscribe for an unsubscription, a violation if confirmed", async () => {
  const hub = await startHub({ verify: { subscriptions: 'sync', unsubscriptions: 'wrong-mode' } });
  const topic = hub.topic('/feed');
  const subscriber = await plainSubscriber();
  await subscribe(hub, topic, subscriber.callback);
  await subscribe(hub, topic, subscriber.callback, unsubscribeMode);
  await hub.settled();
  expect(subscriber.requests.map(({ query }) => query.get('hub.mode'))).toEqual(['subscribe', 'subscribe']);
  expect(states(hub)).toEqual(['active']);
  expect(violationCodes(hub)).toEqual(['confirmed-wrong-mode']);
  subscriber.answer = () => ({ status: 404 });
  await subscribe(hub, topic, subscriber.callback, unsubscribeMode);
  await hub.settled();
  expect(violationCodes(hub)).toHaveLength(1);
});

test("V3 verify 'wrong-mode' verifies a subscription as an unsubscription", async () => {
  const hub = await startHub({ verify: 'wrong-mode' });
  const topic = hub.topic('/feed');
  const { callback, requests } = await plainSubscriber();
  await subscribe(hub, topic, callback);
  await hub.settled();
  expect(requests[0]?.query.get('hub.mode')).toBe('unsubscribe');
  expect(states(hub)).toEqual(['refused']);
  expect(violationCodes(hub)).toEqual(['confirmed-wrong-mode']);
});

test('V4 refusing a repeated verification with the wrong mode does not end the subscription', async () => {
  const hub = await startHub({ verify: 'sync' });
  const topic = hub.topic('/feed');
  const subscriber = await plainSubscriber();
  await subscribe(hub, topic, subscriber.callback);
  hub.configure({ verify: { subscriptions: 'wrong-mode' } });
  subscriber.answer = () => ({ status: 404 });
  await hub.verify({ topic: topic.self, callback: subscriber.callback });
  expect(states(hub)).toEqual(['active']);
});

test('V4 a verification can be repeated, each time with a new challenge', async () => {
  const hub = await startHub({ verify: 'sync', verifyTimes: 3 });
  const topic = hub.topic('/feed');
  const subscriber = await plainSubscriber();
  expect((await subscribe(hub, topic, subscriber.callback)).status).toBe(202);
  expect(new Set(subscriber.requests.map(({ query }) => query.get('hub.challenge'))).size).toBe(3);
  // A subscriber confirms an unsubscription once. It no longer expects the repetitions.
  let requestCount = 0;
  subscriber.answer = (request) => {
    requestCount += 1;
    return requestCount === 1 ? confirmAll(request) : { status: 404 };
  };
  expect((await subscribe(hub, topic, subscriber.callback, unsubscribeMode)).status).toBe(202);
  expect(states(hub)).toEqual(['unsubscribed']);
});

test('V4 a repeated verification counts even if only the last repetition is confirmed', async () => {
  const hub = await startHub({ verify: 'sync', verifyTimes: 2 });
  let verifications = 0;
  const { callback } = await plainSubscriber((request) => {
    verifications += 1;
    return verifications === 1 ? { status: 502 } : confirmAll(request);
  });
  expect((await subscribe(hub, hub.topic('/feed'), callback)).status).toBe(202);
  expect(states(hub)).toEqual(['active']);
});

test.each([
  ['a lease of zero', { announcedLease: 0 }, '0', 60],
  ['a lease that is text', { announcedLease: 'soon' }, 'soon', 60],
  ['no lease', { announcedLease: false }, null, 60],
  ['a shorter lease than it grants', { announcedLease: '10', leaseSeconds: 90 }, '10', 90],
  ['a lease of ten years', { leaseSeconds: 315_360_000 }, '315360000', 315_360_000],
] as const)('V2 a hub can announce %s', async (_name, faults, announcedLease, grantedSeconds) => {
  const hub = await startHub({ verify: 'sync', ...faults });
  const { callback, requests } = await plainSubscriber();
  await subscribe(hub, hub.topic('/feed'), callback, { 'hub.lease_seconds': '60' });
  expect(requests[0]?.query.get('hub.lease_seconds')).toBe(announcedLease);
  expect(hub.subscriptions).toMatchObject([{ state: 'active', leaseSeconds: grantedSeconds }]);
});

test('V4 a second hub can forge a verification without changing the subscription at the real hub', async () => {
  const [hub, forgingHub] = [await startHub({ verify: 'sync' }), await startHub()];
  const topic = hub.topic('/feed');
  const { callback, requests } = await plainSubscriber();
  await subscribe(hub, topic, callback, { 'hub.lease_seconds': '60' });
  await forgingHub.verify({ topic: topic.self, callback }, { leaseSeconds: 31_536_000 });
  expect(requests[1]?.query.get('hub.lease_seconds')).toBe('31536000');
  expect(hub.subscriptions).toMatchObject([{ leaseSeconds: 60 }]);
});

test('S3 hub.verify in a WebSub request is not a violation', async () => {
  const hub = await startHub({ verify: 'never' });
  const topic = hub.topic('/feed');
  await post(hub, {
    'hub.mode': 'subscribe',
    'hub.topic': topic.self,
    'hub.callback': 'http://127.0.0.1:9/',
    'hub.verify': 'async',
  });
  expect(hub.violations).toEqual([]);
});
