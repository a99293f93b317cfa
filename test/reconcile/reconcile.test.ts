import { expect, it, onTestFinished, vi } from 'vitest';
import { checkServiceConfig } from '../../src/runtime/config/check-config.js';
import { reconcileStored, addDeclared, type Reconciliation } from '../../src/reconcile/reconcile.js';
import type { SubscriptionRecord } from '../../src/subscription/record/record.js';
import type { DeclaredService, ReconcileContext } from '../../src/reconcile/declared-service.js';
import { servicesWith, testContext } from '../kit/test-context.js';
import { TOPIC } from '../subscription/machine/subscription-machine.js';
import { subscription, world } from '../subscription/registry/registry-world.js';
import { SITUATIONS } from '../subscription/machine/situations.js';

async function setUp(records: readonly SubscriptionRecord[], targets: readonly string[] = []) {
  const { registry } = await world();
  for (const record of records) await registry.add(record);
  const config = checkServiceConfig('News', { targets });
  const configOf = (name: string): DeclaredService | undefined => (name === 'News' ? config : undefined);
  const context: ReconcileContext = {
    ...testContext(),
    services: Object.assign(servicesWith(), { configOf, checkTarget: () => {} }),
  };
  const reconciliation: Reconciliation = { registry, isSubscribeCalled: () => false, pruneDeclared: true };
  const update = vi.spyOn(registry, 'update');
  onTestFinished(() => update.mockRestore());
  /** The inputs that changed something. */
  const changes = () =>
    update.mock.calls.filter((_call, index) => update.mock.results[index]?.value instanceof Promise);
  const reconcile = async (): Promise<void> => {
    const declared = new Set<string>();
    await addDeclared(context, registry, config, declared);
    await reconcileStored(context, reconciliation, declared);
  };
  const recordOf = (id: string): SubscriptionRecord | undefined => registry.get(id)?.record;
  return { registry, changes, reconcile, recordOf };
}

it('L4 reconciling applies inputs only to subscriptions that have something to do', async () => {
  const active = { ...SITUATIONS.active().record, id: 'active', declared: false };
  const callback = (path: string): string => `http://127.0.0.1/websub/${path}`;
  const upToDate = { ...active, grants: active.grants.map((grant) => ({ ...grant, callback: callback(grant.path) })) };
  const { changes, reconcile } = await setUp([upToDate, { ...subscription('new', `${TOPIC}/new`), declared: false }]);
  await reconcile();
  expect(changes()).toEqual([['new', { type: 'wanted' }]]);
});

it('reconciling prunes before it stores `declared`, so the next start repairs a crash in between', async () => {
  const { registry, reconcile, recordOf } = await setUp([subscription('dropped')]);
  const setDeclared = vi.spyOn(registry, 'setDeclared').mockRejectedValueOnce(new Error('the process ends'));
  await expect(reconcile()).rejects.toThrow('the process ends');
  expect(recordOf('dropped')).toMatchObject({ stoppedBecause: 'pruned', declared: true });
  setDeclared.mockRestore();
  await reconcile();
  expect(recordOf('dropped')).toMatchObject({ stoppedBecause: 'pruned', declared: false, orphaned: true });
});

it('reconciling keeps a subscription pruned until its new declaration is stored', async () => {
  const pruned = {
    ...subscription('s'),
    declared: false,
    orphaned: true,
    desired: 'unsubscribed',
    stoppedBecause: 'pruned',
  } as const;
  const { registry, reconcile, recordOf } = await setUp([pruned], [TOPIC]);
  const setDeclared = vi.spyOn(registry, 'setDeclared').mockRejectedValueOnce(new Error('the store is down'));
  await expect(reconcile()).rejects.toThrow('the store is down');
  expect(recordOf('s')).toMatchObject({ stoppedBecause: 'pruned', desired: 'unsubscribed' });
  setDeclared.mockRestore();
  await reconcile();
  expect(recordOf('s')).toMatchObject({ desired: 'subscribed', declared: true });
  expect(recordOf('s')).toMatchObject({ stoppedBecause: undefined, orphaned: undefined });
});
