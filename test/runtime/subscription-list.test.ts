import { describe, expect, it, vi } from 'vitest';
import type { Subscription, SubscriptionFilter } from 'websub-subscriber';
import { subscriptionList } from '../../src/runtime/subscription-list.js';
import type { SubscriptionRecord } from '../../src/subscription/record/record.js';
import { HUB, START, TOPIC } from '../subscription/machine/subscription-machine.js';
import { subscription, world } from '../subscription/registry/registry-world.js';
import { SITUATIONS } from '../subscription/machine/situations.js';

async function listOf(records: readonly SubscriptionRecord[]) {
  const { registry } = await world();
  for (const record of records) await registry.add(record);
  const statsSpies = [...registry.all()].map(({ counters }) => vi.spyOn(counters, 'stats'));
  const snapshotCount = (): number => statsSpies.reduce((count, spy) => count + spy.mock.calls.length, 0);
  return { registry, list: subscriptionList(registry), snapshotCount };
}

/** One subscription for every situation. */
const everySituation = (): SubscriptionRecord[] =>
  Object.entries(SITUATIONS).map(([id, reach], index) => ({ ...reach().record, id, declared: index % 2 === 0 }));

describe('the list of subscriptions', () => {
  const FILTERS: readonly (readonly [SubscriptionFilter, (snapshot: Subscription) => boolean])[] = [
    [{ state: 'active' }, ({ state }) => state === 'active'],
    [{ state: ['failed', 'denied'] }, ({ state }) => state === 'failed' || state === 'denied'],
    [{ topic: TOPIC }, ({ grants }) => grants.some(({ topic }) => topic === TOPIC)],
    [{ hub: HUB, declared: true }, ({ grants, declared }) => declared && grants.some(({ hub }) => hub === HUB)],
    [{ declared: false }, ({ declared }) => !declared],
    [{ service: 'Other' }, () => false],
  ];
  it.each(FILTERS)(
    'finds subscriptions by %j, and creates no snapshots of other subscriptions',
    async (filter, isMatch) => {
      const { list, snapshotCount } = await listOf(everySituation());
      const expected = (await list.find()).filter(isMatch).map(({ id }) => id);
      const countBefore = snapshotCount();
      expect((await list.find(filter)).map(({ id }) => id)).toEqual(expected);
      expect(snapshotCount() - countBefore).toBe(expected.length);
      expect(await list.count(filter)).toBe(expected.length);
      expect(snapshotCount() - countBefore).toBe(expected.length);
    },
  );

  it('iterates once over each subscription that exists at the start and still exists, in its current state', async () => {
    const ids = Array.from({ length: 2_500 }, (_, index) => `s${index}`);
    const sweptRecord = {
      ...subscription('s2000'),
      declared: false,
      desired: 'unsubscribed' as const,
      nextAttemptAt: undefined,
    };
    const { registry, list } = await listOf(ids.map((id) => (id === sweptRecord.id ? sweptRecord : subscription(id))));
    const snapshots: Subscription[] = [];
    for await (const snapshot of list) {
      snapshots.push(snapshot);
      await registry.add(subscription(`more ${snapshots.length}`));
      if (snapshots.length === 1) {
        await registry.sweep(START);
        await registry.apply('s1', { type: 'unwanted', why: 'unsubscribed' });
      }
    }
    expect(snapshots.map(({ id }) => id)).toEqual(ids.filter((id) => id !== sweptRecord.id));
    expect(snapshots[1]).toMatchObject({ desired: 'unsubscribed' });
    expect(await list.count()).toBe(2 * ids.length - 2);
  });
});
