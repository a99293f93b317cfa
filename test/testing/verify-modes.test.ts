import { expect, test } from 'vitest';
import { compliant, plainSubscriber, post, subscribe } from '../kit/plain-subscriber.js';
import { startHub } from '../kit/start-hub.js';
import type { TestHub } from '../../src/testing/index.js';

const states = (hub: TestHub): string[] => hub.subscriptions.map(({ state }) => state);
const codes = (hub: TestHub): string[] => hub.violations.map(({ code }) => code);
const unsubscribe = { 'hub.mode': 'unsubscribe' };

test('the verify mode can differ between subscribe and unsubscribe requests', async () => {
  const hub = await startHub({ verify: { subscriptions: 'sync', unsubscriptions: 'never' } });
  const topic = hub.topic('/feed', { verify: { subscriptions: 'sync' } });
  const other = hub.topic('/other');
  const { origin, requests } = await plainSubscriber();
  await subscribe(hub, other, `${origin}/one`);
  expect((await subscribe(hub, other, `${origin}/one`, unsubscribe)).status).toBe(202);
  await hub.settled();
  expect(states(hub)).toEqual(['active']);
  expect(requests).toHaveLength(1);
  await subscribe(hub, topic, `${origin}/two`);
  await subscribe(hub, topic, `${origin}/two`, unsubscribe);
  await hub.unsubscribed(topic);
});

test('S4 unchecked activates a subscription without verification and answers 204 in the form of 0.3', async () => {
  const hub = await startHub({ verify: 'unchecked', leaseSeconds: 60 });
  const topic = hub.topic('/feed');
  const { callback, requests } = await plainSubscriber();
  const form = { 'hub.verify': 'async', 'hub.secret': 's' };
  expect((await subscribe(hub, topic, callback, form)).status).toBe(204);
  expect(requests).toEqual([]);
  expect(hub.subscriptions).toMatchObject([{ state: 'active', leaseSeconds: 60, secret: 's' }]);
  expect(await topic.publish('news')).toMatchObject([{ status: 202 }]);
  expect((await subscribe(hub, topic, callback, { ...form, ...unsubscribe })).status).toBe(204);
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

test('V3 wrong-mode verifies an unsubscription as a subscription; confirming it is a violation', async () => {
  const hub = await startHub({ verify: { subscriptions: 'sync', unsubscriptions: 'wrong-mode' } });
  const topic = hub.topic('/feed');
  const subscriber = await plainSubscriber();
  await subscribe(hub, topic, subscriber.callback);
  await subscribe(hub, topic, subscriber.callback, unsubscribe);
  await hub.settled();
  expect(subscriber.requests.map(({ query }) => query.get('hub.mode'))).toEqual(['subscribe', 'subscribe']);
  expect(states(hub)).toEqual(['active']);
  expect(codes(hub)).toEqual(['confirmed-wrong-mode']);
  subscriber.answer = () => ({ status: 404 });
  await subscribe(hub, topic, subscriber.callback, unsubscribe);
  await hub.settled();
  expect(codes(hub)).toHaveLength(1);
});

test('V3 wrong-mode verifies a subscription as an unsubscription', async () => {
  const hub = await startHub({ verify: 'wrong-mode' });
  const topic = hub.topic('/feed');
  const { callback, requests } = await plainSubscriber();
  await subscribe(hub, topic, callback);
  await hub.settled();
  expect(requests[0]?.query.get('hub.mode')).toBe('unsubscribe');
  expect(states(hub)).toEqual(['refused']);
  expect(codes(hub)).toEqual(['confirmed-wrong-mode']);
});

test('V4 a wrong mode for one kind does not end a subscription that is verified again', async () => {
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
  let confirmed = 0;
  subscriber.answer = (request) => {
    confirmed += 1;
    return confirmed === 1 ? compliant(request) : { status: 404 };
  };
  expect((await subscribe(hub, topic, subscriber.callback, unsubscribe)).status).toBe(202);
  expect(states(hub)).toEqual(['unsubscribed']);
});

test('V4 a repeated verification counts even when only the last one is confirmed', async () => {
  const hub = await startHub({ verify: 'sync', verifyTimes: 2 });
  let verifications = 0;
  const { callback } = await plainSubscriber((request) => {
    verifications += 1;
    return verifications === 1 ? { status: 502 } : compliant(request);
  });
  expect((await subscribe(hub, hub.topic('/feed'), callback)).status).toBe(202);
  expect(states(hub)).toEqual(['active']);
});

test.each([
  ['zero', { announcedLease: 0 }, '0', 60],
  ['text', { announcedLease: 'soon' }, 'soon', 60],
  ['nothing', { announcedLease: false }, null, 60],
  ['less than it grants', { announcedLease: '10', leaseSeconds: 90 }, '10', 90],
  ['ten years', { leaseSeconds: 315_360_000 }, '315360000', 315_360_000],
] as const)('V2 a hub announces a lease of %s', async (_, faults, sent, granted) => {
  const hub = await startHub({ verify: 'sync', ...faults });
  const { callback, requests } = await plainSubscriber();
  await subscribe(hub, hub.topic('/feed'), callback, { 'hub.lease_seconds': '60' });
  expect(requests[0]?.query.get('hub.lease_seconds')).toBe(sent);
  expect(hub.subscriptions).toMatchObject([{ state: 'active', leaseSeconds: granted }]);
});

test('V4 a second hub can forge a verification without changing the subscription at the real hub', async () => {
  const [hub, forger] = [await startHub({ verify: 'sync' }), await startHub()];
  const topic = hub.topic('/feed');
  const { callback, requests } = await plainSubscriber();
  await subscribe(hub, topic, callback, { 'hub.lease_seconds': '60' });
  await forger.verify({ topic: topic.self, callback }, { leaseSeconds: 31_536_000 });
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
