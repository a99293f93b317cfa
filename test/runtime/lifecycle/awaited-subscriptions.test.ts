import { expect, it, vi } from 'vitest';
import { AwaitedSubscriptions } from '../../../src/runtime/lifecycle/awaited-subscriptions.js';
import type { SubscriptionRecord } from '../../../src/subscription/record/record.js';
import { subscription, world } from '../../subscription/registry/registry-world.js';

it('looks at the one that something happened to, and at all of them only when told', async () => {
  const { registry } = await world();
  for (const id of ['a', 'b', 'c']) await registry.add(subscription(id));
  const isWaitedFor = vi.fn<(record: SubscriptionRecord) => boolean>(({ desired }) => desired === 'subscribed');
  const outstanding = new AwaitedSubscriptions(registry, isWaitedFor);
  expect(outstanding.isEmpty).toBe(true);
  expect(outstanding.recheckAll().map(({ id }) => id)).toEqual(['a', 'b', 'c']);
  isWaitedFor.mockClear();
  for (const id of ['a', 'b']) {
    await registry.apply(id, { type: 'unwanted', why: 'unsubscribed' });
    expect(outstanding.recheck(id)).toBeUndefined();
  }
  expect(isWaitedFor).toHaveBeenCalledTimes(2);
  expect(outstanding.isEmpty).toBe(false);
  await registry.apply('a', { type: 'retried' });
  expect(outstanding.recheck('a')?.id).toBe('a');
  await registry.apply('a', { type: 'unwanted', why: 'unsubscribed' });
  await registry.apply('c', { type: 'unwanted', why: 'unsubscribed' });
  for (const id of ['a', 'c', 'no such id']) outstanding.recheck(id);
  expect(outstanding.isEmpty).toBe(true);
});
