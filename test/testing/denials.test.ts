import { expect, test } from 'vitest';
import { confirmAll, plainSubscriber, subscribe, type PlainSubscriber } from '../kit/plain-subscriber.js';
import { startHub } from '../kit/start-hub.js';
import type { TestHub } from '../../src/testing/index.js';

const modes = ({ requests }: PlainSubscriber): Array<string | null> =>
  requests.map(({ query }) => query.get('hub.mode'));

const states = (hub: TestHub): string[] => hub.subscriptions.map(({ state }) => state);

test('N1 a denial with keep leaves an active subscription active, and the hub continues to deliver', async () => {
  const hub = await startHub({ verify: 'sync' });
  const topic = hub.topic('/feed');
  const subscriber = await plainSubscriber();
  await subscribe(hub, topic, `${subscriber.origin}/one`);
  expect(await hub.deny('already registered', { keep: true })).toMatchObject([{ kind: 'denial', status: 202 }]);
  expect(states(hub)).toEqual(['active']);
  await subscribe(hub, topic, `${subscriber.origin}/one`);
  await subscribe(hub, topic, `${subscriber.origin}/two`);
  expect(modes(subscriber)).toEqual(['subscribe', 'denied', 'denied', 'denied']);
  expect(states(hub)).toEqual(['active', 'denied']);
  expect(await topic.publish('news')).toMatchObject([{ callback: `${subscriber.origin}/one`, status: 202 }]);
});

test('N1 keep applies to one topic or to one subscription', async () => {
  const hub = await startHub({ verify: 'sync' });
  const [topic, otherTopic] = [hub.topic('/feed'), hub.topic('/other')];
  const subscriber = await plainSubscriber();
  await subscribe(hub, topic, `${subscriber.origin}/one`);
  await subscribe(hub, otherTopic, `${subscriber.origin}/two`);
  expect(await topic.deny('not now', { keep: true })).toMatchObject([{ topic: topic.self }]);
  const secondSubscription = { topic: otherTopic.self, callback: `${subscriber.origin}/two` };
  expect(await hub.deny('not now', secondSubscription, { keep: true })).toMatchObject([{ topic: otherTopic.self }]);
  expect(states(hub)).toEqual(['active', 'active']);
  await hub.deny('over', secondSubscription);
  expect(states(hub)).toEqual(['active', 'denied']);
});

test('N1 keep preserves neither an expired lease nor an unverified subscription', async () => {
  let now = 0;
  const hub = await startHub({ verify: 'sync', leaseSeconds: 10, now: () => now });
  const topic = hub.topic('/feed');
  const { origin } = await plainSubscriber();
  await subscribe(hub, topic, `${origin}/lapsed`);
  now = 20_000;
  hub.configure({ verify: 'never' });
  await subscribe(hub, topic, `${origin}/pending`);
  for (const { callback } of hub.subscriptions) await hub.deny('no', { topic: topic.self, callback }, { keep: true });
  expect(states(hub)).toEqual(['denied', 'denied']);
});

test("N1 a hub that denies only renewals, as Ballerina's does, keeps the subscription", async () => {
  const deny = { reason: 'already registered', only: 'renewals', keep: true } as const;
  const hub = await startHub({ verify: 'sync', deny });
  const topic = hub.topic('/feed');
  const subscriber = await plainSubscriber();
  const { callback } = subscriber;
  expect((await subscribe(hub, topic, callback)).status).toBe(202);
  expect((await subscribe(hub, topic, callback)).status).toBe(202);
  expect(modes(subscriber)).toEqual(['subscribe', 'denied']);
  expect(subscriber.requests[1]?.query.get('hub.reason')).toBe('already registered');
  expect(await topic.publish('news')).toMatchObject([{ status: 202 }]);
  await subscribe(hub, topic, callback, { 'hub.mode': 'unsubscribe' });
  expect(states(hub)).toEqual(['unsubscribed']);
});

test('N1 a denied renewal ends the subscription when keep is not set', async () => {
  const hub = await startHub({ verify: 'sync', deny: { only: 'renewals' } });
  const topic = hub.topic('/feed');
  const subscriber = await plainSubscriber();
  await subscribe(hub, topic, subscriber.callback);
  await subscribe(hub, topic, subscriber.callback);
  expect(subscriber.requests[1]?.query.has('hub.reason')).toBe(false);
  expect(states(hub)).toEqual(['denied']);
});

test('N2 a topic denies the configured number of requests, then grants the next', async () => {
  const hub = await startHub({ verify: 'sync' });
  const topic = hub.topic('/feed', { deny: { reason: 'not registered', times: 2 } });
  const subscriber = await plainSubscriber();
  for (const _ of [1, 2, 3]) await subscribe(hub, topic, subscriber.callback);
  expect(modes(subscriber)).toEqual(['denied', 'denied', 'subscribe']);
  expect(states(hub)).toEqual(['active']);
});

test('V9 with thenVerify the hub verifies after the denial, and the subscription becomes active', async () => {
  const hub = await startHub({ deny: { reason: 'awaiting approval', thenVerify: true } });
  const topic = hub.topic('/feed');
  const subscriber = await plainSubscriber();
  expect((await subscribe(hub, topic, subscriber.callback, { 'hub.secret': 's' })).status).toBe(202);
  expect(await hub.verified(topic)).toMatchObject({ secret: 's' });
  expect(modes(subscriber)).toEqual(['denied', 'subscribe']);
});

test('V9 a denied subscription can be approved later with verify()', async () => {
  const hub = await startHub({ deny: 'awaiting approval' });
  const topic = hub.topic('/feed');
  const subscriber = await plainSubscriber();
  await subscribe(hub, topic, subscriber.callback, { 'hub.lease_seconds': '60', 'hub.secret': 's' });
  const deniedSubscription = await hub.until(() => hub.subscriptions.find(({ state }) => state === 'denied'));
  expect(await hub.verify(deniedSubscription)).toMatchObject({ kind: 'verification', status: 200 });
  expect(hub.subscriptions).toMatchObject([{ state: 'active', leaseSeconds: 60, secret: 's' }]);
});

test('N1 with unlessConfirmed the hub verifies first, and denies only requests that are not confirmed', async () => {
  const hub = await startHub({ verify: 'sync', deny: { reason: 'verification failed', unlessConfirmed: true } });
  const topic = hub.topic('/feed');
  const subscriber = await plainSubscriber(() => ({ status: 502 }));
  await subscribe(hub, topic, subscriber.callback);
  expect(modes(subscriber)).toEqual(['subscribe', 'denied']);
  expect(states(hub)).toEqual(['denied']);
  subscriber.answer = confirmAll;
  await subscribe(hub, topic, subscriber.callback);
  expect(modes(subscriber)).toEqual(['subscribe', 'denied', 'subscribe']);
  expect(states(hub)).toEqual(['active']);
});

test('N1 an unsubscription can be denied before it is verified', async () => {
  const hub = await startHub({ verify: 'sync', deny: { only: 'unsubscriptions', thenVerify: true } });
  const topic = hub.topic('/feed');
  const subscriber = await plainSubscriber();
  await subscribe(hub, topic, subscriber.callback);
  const response = await subscribe(hub, topic, subscriber.callback, { 'hub.mode': 'unsubscribe' });
  expect(response.status).toBe(202);
  expect(modes(subscriber)).toEqual(['subscribe', 'denied', 'unsubscribe']);
  expect(states(hub)).toEqual(['unsubscribed']);
  expect(hub.violations).toEqual([]);
});

test("N1 verify 'sync' sends the denial while the request is open", async () => {
  const hub = await startHub({ verify: 'sync', deny: 'no' });
  const topic = hub.topic('/feed');
  const subscriber = await plainSubscriber();
  const release = hub.holdBack('verification');
  let status: number | undefined;
  const answered = subscribe(hub, topic, subscriber.callback).then((response) => (status = response.status));
  await hub.until(() => hub.subscriptions.length === 1);
  // An answer sent before the denial would arrive before this later one.
  await fetch(topic.url);
  expect(status).toBeUndefined();
  release();
  expect(await answered).toBe(202);
  expect(modes(subscriber)).toEqual(['denied']);
  expect(states(hub)).toEqual(['denied']);
});

test('N1 a hub-wide denial does not affect a topic with its own `deny`, even with the same reason', async () => {
  const hub = await startHub({ verify: 'sync' });
  const topic = hub.topic('/own', { deny: { only: 'unsubscriptions', reason: 'no' } });
  const { callback } = await plainSubscriber();
  await subscribe(hub, topic, callback);
  expect(await hub.deny('no')).toEqual([]);
  expect(states(hub)).toEqual(['active']);
});
