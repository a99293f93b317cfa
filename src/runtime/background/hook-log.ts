import type { HookPayload, SubscriberHooks } from '../../delivery/hook-payloads.js';
import type { Logger } from '../../logger.js';
import type { HookEffect } from '../../subscription/machine/hook-effect.js';
import { errorOf } from '../../subscription/record/failure.js';
import type { StoredSubscription } from '../../subscription/registry/registry.js';
import type { GrantRecord, SubscriptionRecord } from '../../subscription/record/record.js';
import type { Grant } from '../../subscription/record/snapshot.js';
import { grantSnapshot, subscriptionSnapshot } from '../../subscription/record/snapshot-of.js';

const MESSAGES: Readonly<Record<HookEffect['name'], readonly [level: 'info' | 'warn', what: string]>> = {
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
function nextAttemptText(record: SubscriptionRecord, nextHub: string | undefined, isClosing: boolean): string {
  const { gaveUp, nextAttemptAt } = subscriptionSnapshot(record, NO_STATS);
  if (isClosing) return '';
  if (nextHub !== undefined) return ` (asking hub ${nextHub} now)`;
  if (gaveUp === true || record.stoppedBecause === 'denied') return ' (not tried again before retry())';
  return nextAttemptAt === undefined ? '' : ` (next try: ${nextAttemptAt.toISOString()})`;
}

/** What a line about a subscription is about; callbacks are not in it, as who knows one may send there. */
export function logFieldsOf(record: SubscriptionRecord, grant: GrantRecord | undefined): object {
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
  effect: HookEffect,
  {
    entry: stored,
    hooks,
    logger,
    now,
    isClosing,
  }: { entry: StoredSubscription; hooks: SubscriberHooks; logger: Logger; now: () => number; isClosing: () => boolean },
): void {
  const { name, grantId } = effect;
  const grant = record.grants.find(({ id }) => id === grantId) ?? effect.removedGrant;
  const [level, text] = MESSAGES[name];
  const what = name === 'requested' ? `${text} to ${grant?.pending?.mode ?? 'subscribe'}` : text;
  const failure = 'failure' in effect ? effect.failure : undefined;
  const fields = { ...logFieldsOf(record, grant), ...(failure === undefined ? {} : { code: failure.code }) };
  const nextHub = 'nextHub' in effect ? effect.nextHub : undefined;
  const nextAttempt = failure === undefined ? '' : nextAttemptText(record, nextHub, isClosing());
  logger[level](fields, failure === undefined ? what : `${what}: ${failure.message}${nextAttempt}`);
  const subject = (): Pick<HookPayload, 'subscription' | 'at'> => ({
    subscription: subscriptionSnapshot(record, stored.counters.stats()),
    at: new Date(now()),
  });
  emitHook(hooks, effect, grant, subject);
}

/** Calls the listeners. The types of the payloads say what each hook always tells. */
function emitHook(
  hooks: SubscriberHooks,
  effect: HookEffect,
  grant: GrantRecord | undefined,
  subject: () => Pick<HookPayload, 'subscription' | 'at'>,
): void {
  if (effect.name === 'failed') {
    const { failure } = effect;
    hooks.emit('failed', () => ({ ...subject(), ...grantField(grant), error: errorOf(failure) }));
  } else if (effect.name === 'unsubscribed') {
    hooks.emit('unsubscribed', () => ({ ...subject(), ...grantField(grant) }));
  } else if (grant !== undefined && effect.name === 'denied') {
    const { failure } = effect;
    hooks.emit('denied', () => ({ ...subject(), grant: grantSnapshot(grant), error: errorOf(failure) }));
  } else if (grant !== undefined && effect.name !== 'denied') {
    hooks.emit(effect.name, () => ({ ...subject(), grant: grantSnapshot(grant) }));
  }
}

function grantField(grant: GrantRecord | undefined): { readonly grant?: Grant } {
  return grant === undefined ? {} : { grant: grantSnapshot(grant) };
}
