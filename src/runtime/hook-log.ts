import type { HookName, Hooks } from '../delivery/hooks.js';
import type { Logger } from '../logger.js';
import type { Effect } from '../subscription/events.js';
import { errorOf } from '../subscription/failure.js';
import type { Entry } from '../subscription/registry.js';
import type { GrantRecord, SubscriptionRecord } from '../subscription/record.js';
import { grantSnapshot, subscriptionSnapshot } from '../subscription/snapshot-of.js';

type HookEffect = Extract<Effect, { type: 'hook' }>;

const SAYINGS: Readonly<Record<HookEffect['name'], readonly [level: 'info' | 'warn', what: string]>> = {
  requested: ['info', 'asking the hub'],
  verified: ['info', 'subscribed'],
  renewed: ['info', 'subscription renewed'],
  denied: ['warn', 'the hub denied the subscription'],
  expired: ['warn', 'the lease ran out'],
  unsubscribed: ['info', 'unsubscribed'],
  failed: ['warn', 'an attempt failed'],
  'hub-moved': ['info', 'the hub has moved'],
  'topic-moved': ['info', 'the topic has moved'],
};

/** When a failed attempt is made up for, for whoever waits in front of the log. */
function nextTry(record: SubscriptionRecord, nextHub: string | undefined, isClosing: boolean): string {
  const { gaveUp, nextAttemptAt } = subscriptionSnapshot(record, NO_STATS);
  if (isClosing) return '';
  if (nextHub !== undefined) return ` (asking hub ${nextHub} now)`;
  if (gaveUp === true || record.hold === 'denied') return ' (not tried again before retry())';
  return nextAttemptAt === undefined ? '' : ` (next try: ${nextAttemptAt.toISOString()})`;
}

/** What a line about a subscription is about; callbacks are not in it, as who knows one may send there. */
export function placeOf(record: SubscriptionRecord, grant: GrantRecord | undefined): object {
  const { id, service, target, topic, hubs } = record;
  const of = { subscription: id, service };
  if (grant !== undefined) return { ...of, grant: grant.id, hub: grant.hub, topic: grant.topic };
  if (typeof target !== 'string') return { ...of, ...target };
  return { ...of, target, ...(topic === undefined ? {} : { topic, hubs }) };
}

const NO_STATS = { received: 0, rejected: 0, delivered: 0, failed: 0, refused: 0, duplicates: 0, missed: 0 };

/** Tells the log and the hooks what became of a subscription. */
export function announce(
  record: SubscriptionRecord,
  { name, grantId, failure, nextHub }: HookEffect,
  {
    entry,
    hooks,
    logger,
    now,
    isClosing,
  }: { entry: Entry; hooks: Hooks; logger: Logger; now: () => number; isClosing: () => boolean },
): void {
  const grant = record.grants.find(({ id }) => id === grantId);
  const [level, saying] = SAYINGS[name];
  const what = name === 'requested' ? `${saying} to ${grant?.pending?.mode ?? 'subscribe'}` : saying;
  const fields = { ...placeOf(record, grant), ...(failure === undefined ? {} : { code: failure.code }) };
  const again = failure === undefined ? '' : nextTry(record, nextHub, isClosing());
  logger[level](fields, failure === undefined ? what : `${what}: ${failure.message}${again}`);
  const hook: HookName = name;
  hooks.emit(hook, () => ({
    subscription: subscriptionSnapshot(record, entry.counters.stats()),
    ...(grant === undefined ? {} : { grant: grantSnapshot(grant) }),
    ...(failure === undefined ? {} : { error: errorOf(failure) }),
    at: new Date(now()),
  }));
}
