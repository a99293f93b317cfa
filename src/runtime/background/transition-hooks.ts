import type { HookPayload, SubscriberHooks } from '../../delivery/hook-payloads.js';
import type { Logger } from '../../logger.js';
import type { HookEffect } from '../../subscription/machine/hook-effect.js';
import { errorOf } from '../../subscription/record/failure.js';
import type { StoredSubscription } from '../../subscription/registry/registry.js';
import type { GrantRecord, SubscriptionRecord } from '../../subscription/record/record.js';
import type { Grant } from '../../subscription/record/snapshot.js';
import { grantSnapshot, subscriptionSnapshot } from '../../subscription/record/snapshot-of.js';

const MESSAGES: Readonly<Record<HookEffect['name'], readonly [level: 'info' | 'warn', text: string]>> = {
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

/** The part of a log line that says when a failed attempt is retried. */
function nextAttemptText(record: SubscriptionRecord, nextHub: string | undefined, isStopping: boolean): string {
  const { gaveUp, nextAttemptAt } = subscriptionSnapshot(record, NO_STATS);
  if (isStopping) return '';
  if (nextHub !== undefined) return ` (asking hub ${nextHub} now)`;
  if (gaveUp === true || record.stoppedBecause === 'denied') return ' (not tried again before retry())';
  return nextAttemptAt === undefined ? '' : ` (next try: ${nextAttemptAt.toISOString()})`;
}

/** The ids and URLs for a log line. Callbacks are left out: whoever knows a callback can send to it. */
export function logFieldsOf(record: SubscriptionRecord, grant: GrantRecord | undefined): object {
  const { id, service, target, topic, hubs } = record;
  const fields = { subscription: id, service };
  if (grant !== undefined) return { ...fields, grant: grant.id, hub: grant.hub, topic: grant.topic };
  if (typeof target !== 'string') return { ...fields, ...target };
  return { ...fields, target, ...(topic === undefined ? {} : { topic, hubs }) };
}

const NO_STATS = { received: 0, rejected: 0, delivered: 0, failed: 0, refused: 0, duplicates: 0, missed: 0 };

/** Writes the log line of a hook effect, and calls the hook's listeners. */
export function logAndEmitHook(
  record: SubscriptionRecord,
  effect: HookEffect,
  {
    stored,
    hooks,
    logger,
    now,
    isStopping,
  }: {
    stored: StoredSubscription;
    hooks: SubscriberHooks;
    logger: Logger;
    now: () => number;
    isStopping: () => boolean;
  },
): void {
  const { name, grantId } = effect;
  const grant = record.grants.find(({ id }) => id === grantId) ?? effect.removedGrant;
  const [level, text] = MESSAGES[name];
  const message = name === 'requested' ? `${text} to ${grant?.pending?.mode ?? 'subscribe'}` : text;
  const failure = 'failure' in effect ? effect.failure : undefined;
  const fields = { ...logFieldsOf(record, grant), ...(failure === undefined ? {} : { code: failure.code }) };
  const nextHub = 'nextHub' in effect ? effect.nextHub : undefined;
  const nextAttempt = failure === undefined ? '' : nextAttemptText(record, nextHub, isStopping());
  logger[level](fields, failure === undefined ? message : `${message}: ${failure.message}${nextAttempt}`);
  const subject = (): Pick<HookPayload, 'subscription' | 'at'> => ({
    subscription: subscriptionSnapshot(record, stored.counters.stats()),
    at: new Date(now()),
  });
  emitHook(hooks, effect, grant, subject);
}

/** Calls the listeners. The branches exist for the types: each hook has its own required payload fields. */
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
