import { expect, test } from 'vitest';
import { createFaultLayer, delayOf, mergedFaults, takeFailure } from '../../src/testing/fault-layer.js';

test('the first layer that sets a fault decides, also where it switches it off', () => {
  const topic = createFaultLayer({ verify: 'sync', deny: false });
  const hub = createFaultLayer({ verify: 'never', deny: 'no', leaseSeconds: 5 });
  expect(mergedFaults([topic, hub])).toMatchObject({ verify: 'sync', deny: false, leaseSeconds: 5 });
  topic.change({ verify: undefined, deny: undefined });
  expect(mergedFaults([topic, hub])).toMatchObject({ verify: 'never', deny: 'no' });
});

test('failures are counted down layer by layer, and anew when set anew', () => {
  const topic = createFaultLayer({ fail: { status: 500, times: 1 } });
  const hub = createFaultLayer({ fail: { status: 503, times: 1 } });
  const take = (): number | undefined => takeFailure([topic, hub])?.status;
  expect([take(), take(), take()]).toEqual([500, 503, undefined]);
  hub.change({ verify: 'sync' });
  expect(take()).toBeUndefined();
  hub.change({ fail: { status: 429 } });
  expect([take(), take()]).toEqual([429, 429]);
  topic.change({ fail: false });
  expect(take()).toBeUndefined();
});

test('one delay holds for everything, several each for its own', () => {
  expect(delayOf({}, 'answer')).toBe(0);
  expect(delayOf({ delayMs: 5 }, 'topic')).toBe(5);
  expect(delayOf({ delayMs: { content: 7 } }, 'content')).toBe(7);
  expect(delayOf({ delayMs: { content: 7 } }, 'answer')).toBe(0);
});
