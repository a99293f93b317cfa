import { slices } from '../engine/slices.js';
import { log } from '../log-events.js';
import type { SubscriptionRecord } from '../subscription/record/record.js';
import type { SubscriptionTarget } from '../subscription/record/snapshot.js';
import type { Registry } from '../subscription/registry/registry.js';
import { isOver } from '../subscription/machine/state.js';
import { isLiteralCallback } from './callback-paths.js';
import { forEachSubscription } from './each-subscription.js';
import type { DeclaredService, ReconcileContext } from './declared-service.js';
import { targetName } from '../subscription/record/target.js';

/** The stored subscriptions, and how they are compared with the code. */
export interface Reconciliation {
  readonly registry: Registry;
  /** Whether `subscribe()` was called for a subscription in this process. */
  readonly isSubscribeCalled: (id: string) => boolean;
  /** Whether to unsubscribe subscriptions that the code no longer declares. */
  readonly pruneDeclared: boolean;
}

/** Maximum number of subscriptions named in one log line. */
const MAX_NAMED = 10;

/**
 * Creates a service's missing declared subscriptions. Adds every declared id to `declared`. If the service's callback
 * is literal and a target is declared, unsubscribes the service's other subscriptions.
 */
export async function addDeclared(
  { closing, logger }: ReconcileContext,
  registry: Registry,
  config: DeclaredService,
  declared: Set<string>,
): Promise<void> {
  const { name: service, targets } = config;
  for await (const slice of slices(targets)) {
    if (closing.isStopping) return;
    const idOf = async (target: SubscriptionTarget): Promise<string> => {
      const existingId = registry.idOf({ service, target });
      if (existingId !== undefined) return existingId;
      const { record } = await registry.create({ service, target, declared: true, overrides: undefined });
      return record.id;
    };
    const ids = slice.map(idOf);
    for (const id of await Promise.all(ids)) declared.add(id);
  }
  if (!isLiteralCallback(config) || targets.length === 0) return;
  await forEachSubscription({ closing }, registry, (record) => {
    const { id, target, desired } = record;
    if (record.service !== service || desired === 'unsubscribed' || declared.has(id)) return undefined;
    // A literal callback serves one target only, and now that is the declared one.
    log(logger, 'declared.replaced', { subscription: id, service, detail: targetName(target) });
    return registry.apply(id, { type: 'unwanted', why: 'pruned' });
  });
}

/**
 * Compares the stored subscriptions with the code: stores differences, and requests wanted subscriptions that are not
 * in progress. Most subscriptions need neither a request nor a write.
 */
export async function reconcileStored(
  context: ReconcileContext,
  reconciliation: Reconciliation,
  declared: ReadonlySet<string>,
): Promise<void> {
  const { logger, services } = context;
  const { registry, pruneDeclared } = reconciliation;
  const orphans: SubscriptionRecord[] = [];
  const stopped: SubscriptionRecord[] = [];
  const unservedByService = new Map<string, SubscriptionRecord[]>();
  await forEachSubscription(context, registry, (record) => {
    if (services.configOf(record.service) === undefined) {
      if (isInUse(record)) getOrAddList(unservedByService, record.service).push(record);
      return undefined;
    }
    const isOrphan = !declared.has(record.id) && isOrphaned(record, reconciliation);
    if (isOrphan && record.desired === 'subscribed') orphans.push(record);
    const isDeclared = declared.has(record.id);
    // A pruned subscription that is declared again is requested again, so it is not reported.
    if (isDeclared && record.stoppedBecause !== undefined && record.stoppedBecause !== 'pruned') stopped.push(record);
    return reconcileOne(record, { isDeclared, isOrphan }, reconciliation);
  });
  if (stopped.length > 0) {
    const subscriptions = stopped.slice(0, MAX_NAMED).map(({ id, stoppedBecause }) => ({ id, stoppedBecause }));
    log(logger, 'declared.stopped', { subscriptions, detail: namesOf(stopped) });
  }
  if (orphans.length > 0) {
    const subscriptions = orphans.slice(0, MAX_NAMED).map(({ id }) => id);
    log(logger, 'declared.orphaned', { subscriptions, unsubscribed: pruneDeclared, detail: namesOf(orphans) });
  }
  for (const [service, records] of unservedByService) {
    const subscriptions = records.slice(0, MAX_NAMED).map(({ id }) => id);
    log(logger, 'service.not-started', { service, subscriptions, detail: namesOf(records) });
  }
}

/** Reconciles one subscription. Undefined if there is nothing to do. */
function reconcileOne(
  record: SubscriptionRecord,
  { isDeclared, isOrphan }: { readonly isDeclared: boolean; readonly isOrphan: boolean },
  { registry, isSubscribeCalled, pruneDeclared }: Reconciliation,
): Promise<unknown> | undefined {
  const { id, stoppedBecause, desired } = record;
  const isUpToDate = record.declared === isDeclared && (record.orphaned ?? false) === isOrphan;
  const setDeclared = (): Promise<void> => registry.setDeclared(id, isDeclared, { orphaned: isOrphan });
  if (isOrphan && pruneDeclared && desired === 'subscribed') {
    return runInOrder(registry.apply(id, { type: 'unwanted', why: 'pruned' }), isUpToDate ? undefined : setDeclared);
  }
  const input =
    isDeclared && stoppedBecause === 'pruned' ? ({ type: 'retried' } as const) : ({ type: 'wanted' } as const);
  const request = (): Promise<unknown> | undefined => {
    if (isSubscribeCalled(id)) return undefined;
    const update = registry.update(id, input);
    return update instanceof Promise ? update : undefined;
  };
  return isUpToDate ? request() : runInOrder(setDeclared(), request);
}

async function runInOrder(
  first: Promise<unknown>,
  then: (() => Promise<unknown> | undefined) | undefined,
): Promise<void> {
  await first;
  await then?.();
}

/** Whether the code declared a subscription in the past, and `subscribe()` has not been called for it since. */
function isOrphaned({ id, declared, orphaned }: SubscriptionRecord, { isSubscribeCalled }: Reconciliation): boolean {
  return !isSubscribeCalled(id) && (declared || orphaned === true);
}

function isInUse({ desired, grants }: SubscriptionRecord): boolean {
  return desired === 'subscribed' || !grants.every(isOver);
}

function getOrAddList<T>(lists: Map<string, T[]>, key: string): T[] {
  const list = lists.get(key) ?? [];
  lists.set(key, list);
  return list;
}

function namesOf(records: readonly SubscriptionRecord[]): string {
  const names = records.slice(0, MAX_NAMED).map(({ target }) => targetName(target));
  const more = records.length - names.length;
  return more > 0 ? `${names.join(', ')} and ${more} more` : names.join(', ');
}
