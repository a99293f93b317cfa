import { expect, test } from 'vitest';
import {
  createFaultLayer,
  delayOf,
  mergedFaults,
  countAgainstRateLimit,
  takeFault,
  verifyModeOf,
} from '../../../src/testing/faults/fault-layer.js';

test('the first layer that sets a fault decides, even when it switches the fault off', () => {
  const topic = createFaultLayer({ verify: 'sync', deny: false });
  const hub = createFaultLayer({ verify: 'never', deny: 'no', leaseSeconds: 5 });
  expect(mergedFaults([topic, hub])).toMatchObject({ verify: 'sync', deny: false, leaseSeconds: 5 });
  topic.change({ verify: undefined, deny: undefined });
  expect(mergedFaults([topic, hub])).toMatchObject({ verify: 'never', deny: 'no' });
});

test('failures are counted down layer by layer, and start again when set again', () => {
  const topic = createFaultLayer({ fail: { status: 500, times: 1 } });
  const hub = createFaultLayer({ fail: { status: 503, times: 1 } });
  const take = (): number | 'reset' | undefined => takeFault([topic, hub], 'fail', 'new')?.status;
  expect([take(), take(), take()]).toEqual([500, 503, undefined]);
  hub.change({ verify: 'sync' });
  expect(take()).toBeUndefined();
  hub.change({ fail: { status: 429 } });
  expect([take(), take()]).toEqual([429, 429]);
  topic.change({ fail: false });
  expect(take()).toBeUndefined();
});

test('a single delay applies to every kind of message, and a delay of one kind only to that kind', () => {
  expect(delayOf({}, 'answer')).toBe(0);
  expect(delayOf({ delayMs: 5 }, 'topic')).toBe(5);
  expect(delayOf({ delayMs: { content: 7 } }, 'content')).toBe(7);
  expect(delayOf({ delayMs: { content: 7 } }, 'answer')).toBe(0);
});

test('a fault applies only to the requests it names, and counts no other requests', () => {
  const layer = createFaultLayer({
    fail: { status: 400, only: 'unsubscriptions', times: 1 },
    redirect: { status: 302, to: '/', only: 'renewals' },
    deny: 'no',
  });
  const take = (name: 'fail' | 'redirect' | 'deny', kind: 'new' | 'renewals' | 'unsubscriptions'): boolean =>
    Boolean(takeFault([layer], name, kind));
  expect([take('fail', 'new'), take('fail', 'unsubscriptions'), take('fail', 'unsubscriptions')]).toEqual([
    false,
    true,
    false,
  ]);
  expect([take('redirect', 'new'), take('redirect', 'renewals')]).toEqual([false, true]);
  expect([take('deny', 'new'), take('deny', 'renewals'), take('deny', 'unsubscriptions')]).toEqual([true, true, false]);
  layer.change({ deny: { only: 'unsubscriptions' } });
  expect([take('deny', 'new'), take('deny', 'unsubscriptions')]).toEqual([false, true]);
  layer.change({ deny: { reason: 'twice', times: 2 } });
  expect([take('deny', 'new'), take('deny', 'renewals'), take('deny', 'new')]).toEqual([true, true, false]);
});

test('a rate limit counts in windows, and the first layer that sets one decides', () => {
  const hub = createFaultLayer({ rateLimit: { requests: 2, perSeconds: 60 } });
  const exemptLayer = createFaultLayer({ rateLimit: false });
  const emptyLayer = createFaultLayer({});
  expect(countAgainstRateLimit([exemptLayer, hub], 0)).toBeUndefined();
  expect([countAgainstRateLimit([emptyLayer, hub], 1_000), countAgainstRateLimit([hub], 2_000)]).toEqual([
    undefined,
    undefined,
  ]);
  expect([countAgainstRateLimit([hub], 2_500), countAgainstRateLimit([emptyLayer, hub], 60_999)]).toEqual([59, 1]);
  expect(countAgainstRateLimit([hub], 61_000)).toBeUndefined();
  hub.change({ rateLimit: { requests: 1, perSeconds: 10 } });
  expect([countAgainstRateLimit([hub], 62_000), countAgainstRateLimit([hub], 62_000)]).toEqual([undefined, 10]);
  expect(countAgainstRateLimit([emptyLayer], 0)).toBeUndefined();
});

test('a verify mode applies to all requests or to one kind', () => {
  expect(verifyModeOf({ verify: 'sync' }, 'unsubscribe')).toBe('sync');
  const separateModes = { verify: { unsubscriptions: 'never' } } as const;
  expect([verifyModeOf(separateModes, 'subscribe'), verifyModeOf(separateModes, 'unsubscribe')]).toEqual([
    undefined,
    'never',
  ]);
  expect(verifyModeOf({}, 'subscribe')).toBeUndefined();
});
