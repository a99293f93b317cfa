import { describe, expect, test } from 'vitest';
import { InternalHubError, SubscriptionDeniedError } from 'websub-subscriber';
import { fieldsOf, subscribed } from '../http/subscribed.js';
import { exchange, request } from '../http/wire.js';

const DENIED = { 'hub.mode': 'denied', 'hub.reason': 'not you & not now' };

describe('N1 a denial', () => {
  test('ends a subscription that was active: its reason reaches the service, and content is gone', async () => {
    const told: SubscriptionDeniedError[] = [];
    const { ask, topic, snapshot, post, hub } = await subscribed({
      handlers: { onSubscriptionValidationDenied: (error) => void told.push(error) },
    });
    const answer = await ask({ ...DENIED, 'hub.topic': topic.url });
    expect(answer).toMatchObject({ status: 200, body: '', headers: { 'cache-control': 'no-store' } });
    expect(told).toHaveLength(1);
    const [error] = told;
    expect(error).toBeInstanceOf(SubscriptionDeniedError);
    expect(error).toMatchObject({
      message: 'not you & not now',
      code: 'ERR_WEBSUB_DENIED',
      topic: topic.url,
      grant: { state: 'denied', hub: hub.url },
    });
    expect(await snapshot()).toMatchObject({
      state: 'denied',
      lastError: { cause: 'denied', message: 'not you & not now', code: 'ERR_WEBSUB_DENIED' },
    });
    expect((await post('news')).status).toBe(410);
  });

  test('ends one that was never verified', async () => {
    const { ask, topic, snapshot } = await subscribed({ hub: { verify: 'never' }, unverified: true });
    expect((await ask({ ...DENIED, 'hub.topic': topic.url })).status).toBe(200);
    expect((await snapshot()).state).toBe('denied');
  });

  test('may name no topic, and no reason', async () => {
    const told: SubscriptionDeniedError[] = [];
    const { ask, snapshot } = await subscribed({
      handlers: { onSubscriptionValidationDenied: (error) => void told.push(error) },
    });
    expect((await ask({ 'hub.mode': 'denied' })).status).toBe(200);
    expect((await snapshot()).state).toBe('denied');
    expect(told[0]?.topic).toBeUndefined();
    expect(told[0]?.message).toBe('the hub gave no reason');
  });

  test('counts although its reason is not UTF-8', async () => {
    const { port, path, snapshot } = await subscribed();
    const answer = await exchange(port, request('GET', `${path}?hub.mode=denied&hub.reason=%FCber`));
    expect(answer.status).toBe(200);
    expect(await snapshot()).toMatchObject({ state: 'denied', lastError: { message: '\uFFFDber' } });
  });

  test('of a topic that is not ours is refused with 404, and changes nothing', async () => {
    const told: unknown[] = [];
    const { ask, topic, snapshot, post } = await subscribed({
      handlers: { onSubscriptionValidationDenied: (error) => void told.push(error) },
    });
    expect((await ask({ ...DENIED, 'hub.topic': `${topic.url}2` })).status).toBe(404);
    expect((await snapshot()).state).toBe('active');
    expect(told).toEqual([]);
    expect((await post('news')).status).toBe(202);
  });

  test('is answered with what the service adds', async () => {
    const { ask } = await subscribed({
      handlers: {
        onSubscriptionValidationDenied: async () => ({
          headers: { 'x-seen': 'yes', location: '/' },
          body: { seen: 'ü & ö' },
        }),
      },
    });
    const answer = await ask(DENIED);
    expect(answer.status).toBe(200);
    expect(answer.headers).toMatchObject({ 'x-seen': 'yes' });
    expect(answer.headers).not.toHaveProperty('location');
    expect(fieldsOf(answer)).toEqual({ seen: 'ü & ö' });
  });

  test('is answered 200 although the handler throws', async () => {
    const { ask, logger, snapshot } = await subscribed({
      handlers: {
        onSubscriptionValidationDenied: () => {
          throw new Error('broken');
        },
      },
    });
    expect(await ask(DENIED)).toMatchObject({ status: 200, body: '' });
    expect((await snapshot()).state).toBe('denied');
    expect(logger.said('error')).toEqual(['a handler failed']);
  });

  test('reaches the service once, however often it comes', async () => {
    const told: unknown[] = [];
    const { ask } = await subscribed({
      handlers: { onSubscriptionValidationDenied: (error) => void told.push(error) },
    });
    for (let time = 0; time < 3; time += 1) expect((await ask(DENIED)).status).toBe(200);
    expect(told).toHaveLength(1);
  });

  test('of a subscription that has ended is of no account', async () => {
    const told: unknown[] = [];
    const { ask, runtime, snapshot, hub, topic } = await subscribed({
      handlers: { onSubscriptionValidationDenied: (error) => void told.push(error) },
    });
    await runtime.unsubscribe((await snapshot()).id);
    await hub.unsubscribed(topic);
    expect((await ask(DENIED)).status).toBe(200);
    expect(await snapshot()).toMatchObject({ state: 'unsubscribed' });
    expect(told).toEqual([]);
  });
});

test('N2 after a denial the hub is not asked again', async () => {
  const { hub, snapshot, topic } = await subscribed({ hub: { deny: 'no' }, unverified: true });
  await hub.until(() => hub.deliveries.some(({ kind }) => kind === 'denial'));
  await hub.settled();
  expect(await snapshot()).toMatchObject({ state: 'denied', lastError: { message: 'no' } });
  expect((await snapshot()).nextAttemptAt).toBeUndefined();
  expect(hub.requests.filter(({ method }) => method === 'POST')).toHaveLength(1);
  expect(hub.deliveries.map(({ status }) => status)).toEqual([200]);
  expect(topic.url).toBe((await snapshot()).topic);
});

describe('N3 a hub error', () => {
  test('reaches the service, and changes nothing', async () => {
    const told: InternalHubError[] = [];
    const hooked: unknown[] = [];
    const { hub, snapshot, post, runtime } = await subscribed({
      handlers: { onHubError: (error) => void told.push(error) },
    });
    runtime.hooks.on('hub-error', ({ error }) => void hooked.push(error));
    const before = await snapshot();
    const [delivery] = await hub.error('on fire');
    expect(delivery).toMatchObject({ status: 200, body: '' });
    expect(told[0]).toBeInstanceOf(InternalHubError);
    expect(told[0]).toMatchObject({
      message: 'on fire',
      code: 'ERR_WEBSUB_HUB_ERROR',
      subscription: { id: before.id },
    });
    expect(hooked).toEqual(told);
    expect(await snapshot()).toEqual(before);
    expect((await post('news')).status).toBe(202);
  });

  test('is answered 200 although the handler throws, and where there is none', async () => {
    const failing = await subscribed({ handlers: { onHubError: () => Promise.reject(new Error('broken')) } });
    expect((await failing.ask({ 'hub.mode': 'hub-error' })).status).toBe(200);
    const without = await subscribed();
    expect((await without.ask({ 'hub.mode': 'hub-error' })).status).toBe(200);
    expect(without.logger.said('warn')).toContain('hub error: the hub gave no reason');
  });

  test('is answered with what the service adds', async () => {
    const { ask } = await subscribed({
      handlers: { onHubError: () => ({ headers: { 'x-seen': ['1', '2'] }, body: { a: 'b' } }) },
    });
    const answer = await ask({ 'hub.mode': 'hub-error' });
    expect(answer).toMatchObject({ status: 200, body: 'a=b', headers: { 'x-seen': '1, 2' } });
  });

  test('of a topic that is not ours is refused with 404', async () => {
    const told: unknown[] = [];
    const { ask } = await subscribed({ handlers: { onHubError: (error) => void told.push(error) } });
    expect((await ask({ 'hub.mode': 'hub-error', 'hub.topic': 'http://127.0.0.1/other' })).status).toBe(404);
    expect(told).toEqual([]);
  });
});
