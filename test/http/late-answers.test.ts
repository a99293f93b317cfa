import { expect, test } from 'vitest';
import { subscribed } from '../kit/subscribed.js';

/** A verification whose handler never ends is answered 503 within 9 s, and the next one calls the handler again. Resolves to its calls. */
async function hangingOnce(): Promise<number> {
  let calls = 0;
  const { callback, topic, snapshot } = await subscribed({
    hub: { verify: 'never' },
    unverified: true,
    handlers: {
      onSubscriptionVerification() {
        calls += 1;
        return calls === 1 ? new Promise(() => {}) : undefined;
      },
    },
  });
  const query = new URLSearchParams({
    'hub.mode': 'subscribe',
    'hub.topic': topic.url,
    'hub.challenge': 'a-challenge',
  });
  const begun = performance.now();
  const late = await fetch(`${callback}?${query.toString()}`);
  expect(late.status).toBe(503);
  expect(late.headers.get('retry-after')).toBe('30');
  expect(performance.now() - begun).toBeLessThan(10_000);
  expect((await fetch(`${callback}?${query.toString()}`)).status).toBe(200);
  expect((await snapshot()).state).toBe('active');
  return calls;
}

/** One that nobody asked for does not have a handler called again that never ends. */
async function forged(): Promise<number> {
  let calls = 0;
  const { callback, topic } = await subscribed({
    handlers: {
      onSubscriptionVerification() {
        calls += 1;
        return calls === 1 ? undefined : new Promise(() => {});
      },
    },
  });
  const query = new URLSearchParams({
    'hub.mode': 'subscribe',
    'hub.topic': topic.url,
    'hub.challenge': 'a-challenge',
  });
  const verify = async (): Promise<number> => (await fetch(`${callback}?${query.toString()}`)).status;
  expect(await verify()).toBe(503);
  const controller = new AbortController();
  const next = fetch(`${callback}?${query.toString()}`, { signal: controller.signal }).catch(() => undefined);
  // What was sent after it is answered.
  for (let count = 0; count < 5; count += 1) expect((await fetch(`${callback}?hub.mode=unknown`)).status).toBe(400);
  const called = calls;
  controller.abort();
  await next;
  return called;
}

test('C9 V9 verifications whose handler never ends are answered in time, and only those of ours call it again', async () => {
  // At the same time, as each takes 9 s.
  expect(await Promise.all([hangingOnce(), forged()])).toEqual([2, 2]);
});
