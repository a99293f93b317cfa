import { expect, test } from 'vitest';
import { subscribed } from './subscribed.js';

test('C9 a verification whose handler never ends is answered 503 within 9 s, and the next one calls the handler again', async () => {
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
  expect(calls).toBe(2);
  expect((await snapshot()).state).toBe('active');
});
