import { expect, test } from 'vitest';
import { subscribed } from '../kit/subscribed.js';

/**
 * Sends a solicited verification whose handler hangs. It is answered 503 within 10 s, as the deadline is 9 s. The next
 * verification calls the handler again. Returns the number of handler calls.
 */
async function verifySolicited(): Promise<number> {
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
  const startedAt = performance.now();
  const response = await fetch(`${callback}?${query.toString()}`);
  expect(response.status).toBe(503);
  expect(response.headers.get('retry-after')).toBe('30');
  expect(performance.now() - startedAt).toBeLessThan(10_000);
  expect((await fetch(`${callback}?${query.toString()}`)).status).toBe(200);
  expect((await snapshot()).state).toBe('active');
  return calls;
}

/**
 * Sends unsolicited verifications whose handler hangs. The second does not call the handler again. Returns the number
 * of handler calls, including that of the first, solicited verification.
 */
async function verifyUnsolicited(): Promise<number> {
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
  const secondVerification = fetch(`${callback}?${query.toString()}`, { signal: controller.signal }).catch(
    () => undefined,
  );
  // Requests after the second verification are answered.
  for (let count = 0; count < 5; count += 1) expect((await fetch(`${callback}?hub.mode=unknown`)).status).toBe(400);
  const callCount = calls;
  controller.abort();
  await secondVerification;
  return callCount;
}

/**
 * Sends a verification whose handler hangs, and then another one, which another handler call confirms. The first call
 * refuses later. Returns the state of the subscription after that, and its failures.
 */
async function refuseLate(): Promise<readonly [state: string, failures: unknown]> {
  let calls = 0;
  let refuse = (): void => {};
  const { callback, topic, snapshot } = await subscribed({
    hub: { verify: 'never' },
    unverified: true,
    handlers: {
      onSubscriptionVerification() {
        calls += 1;
        if (calls > 1) return undefined;
        return new Promise((_resolve, reject) => {
          refuse = () => reject(new Error('refused too late'));
        });
      },
    },
  });
  const query = new URLSearchParams({
    'hub.mode': 'subscribe',
    'hub.topic': topic.url,
    'hub.challenge': 'a-challenge',
  });
  const verify = async (): Promise<number> => (await fetch(`${callback}?${query.toString()}`)).status;
  expect([await verify(), await verify()]).toEqual([503, 200]);
  refuse();
  // Requests after the refusal are answered.
  for (let count = 0; count < 5; count += 1) expect((await fetch(`${callback}?hub.mode=unknown`)).status).toBe(400);
  const { state, failures } = await snapshot();
  return [state, failures];
}

test('V7 V9 a handler call that refuses after another one has confirmed changes nothing', async () => {
  expect(await refuseLate()).toEqual(['active', {}]);
});

test('C9 V9 a verification gets 503 if its handler hangs, and only a solicited retry calls the handler', async () => {
  // Concurrently: each takes 9 s.
  expect(await Promise.all([verifySolicited(), verifyUnsolicited()])).toEqual([2, 2]);
});
