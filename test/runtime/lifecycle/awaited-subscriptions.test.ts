import { expect, it, vi } from 'vitest';
import { AwaitedSubscriptions } from '../../../src/runtime/lifecycle/awaited-subscriptions.js';
import type { SubscriptionRecord } from '../../../src/subscription/record/record.js';
import { subscription, world } from '../../subscription/registry/registry-world.js';

it('AwaitedSubscriptions checks one subscription with recheck(), and all of them only with recheckAll()', async () => {
  const { registry } = await world();
  for (const id of ['a', 'b', 'c']) await registry.add(subscription(id));
  const isAwaited = vi.fn<(record: SubscriptionRecord) => boolean>(({ desired }) => desired === 'subscribed');
  const awaited = new AwaitedSubscriptions(registry, isAwaited);
  expect(awaited.isEmpty).toBe(true);
  expect(awaited.recheckAll().map(({ id }) => id)).toEqual(['a', 'b', 'c']);
  isAwaited.mockClear();
  for (const id of ['a', 'b']) {
    await registry.apply(id, { type: 'unwanted', why: 'unsubscribed' });
    expect(awaited.recheck(id)).toBeUndefined();
  }
  expect(isAwaited).toHaveBeenCalledTimes(2);
  expect(awaited.isEmpty).toBe(false);
  await registry.apply('a', { type: 'retried' });
  expect(awaited.recheck('a')?.id).toBe('a');
  await registry.apply('a', { type: 'unwanted', why: 'unsubscribed' });
  await registry.apply('c', { type: 'unwanted', why: 'unsubscribed' });
  for (const id of ['a', 'c', 'no such id']) awaited.recheck(id);
  expect(awaited.isEmpty).toBe(true);
});
