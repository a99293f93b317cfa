import type { DeliveryContext } from '../../delivery/delivery-context.js';
import type { HookPayload, SubscriberHooks } from '../../delivery/hook-payloads.js';
import { WebSubError } from '../../errors.js';
import { log, type NextAttempt, type SubscriptionFields } from '../../log-events.js';
import type { HookEffect } from '../../subscription/machine/hook-effect.js';
import { errorOf } from '../../subscription/record/failure.js';
import type { StoredSubscription } from '../../subscription/registry/registry.js';
import type { GrantRecord, SubscriptionRecord } from '../../subscription/record/record.js';
import type { Grant } from '../../subscription/record/snapshot.js';
import { grantSnapshot, subscriptionSnapshot } from '../../subscription/record/snapshot-of.js';

/** Says what follows a failed attempt. */
function nextAttemptOf(record: SubscriptionRecord, nextHub: string | undefined, isStopping: boolean): NextAttempt {
  const { gaveUp, nextAttemptAt } = subscriptionSnapshot(record, NO_STATS);
  if (isStopping) return {};
  if (nextHub !== undefined) return { nextHub };
  if (gaveUp === true || record.stoppedBecause === 'denied') return { retriedByItself: false };
  return nextAttemptAt === undefined ? {} : { nextAttemptAt: nextAttemptAt.toISOString() };
}

/** The ids and URLs for a log line. Callbacks are left out: whoever knows a callback can send to it. */
export function logFieldsOf(record: SubscriptionRecord, grant: GrantRecord | undefined): SubscriptionFields {
  const { id, service, target, topic, hubs } = record;
  const fields = { subscription: id, service };
  if (grant !== undefined) return { ...fields, grant: grant.id, hub: grant.hub, topic: grant.topic };
  if (typeof target !== 'string') return { ...fields, ...target };
  return { ...fields, target, ...(topic === undefined ? {} : { topic, hubs }) };
}

const NO_STATS = { received: 0, rejected: 0, delivered: 0, failed: 0, refused: 0, duplicates: 0, missed: 0 };

/** Writes the log line of a hook effect, and calls the hook's listeners. */
export function logAndEmitHook(
  { hooks, logger, now, closing }: Pick<DeliveryContext, 'hooks' | 'logger' | 'now' | 'closing'>,
  stored: StoredSubscription,
  record: SubscriptionRecord,
  effect: HookEffect,
): void {
  const { grantId } = effect;
  const grant = record.grants.find(({ id }) => id === grantId) ?? effect.removedGrant;
  const fields = logFieldsOf(record, grant);
  if (effect.name === 'requested') {
    log(logger, 'subscription.requested', { ...fields, mode: grant?.pending?.mode ?? 'subscribe' });
  } else if (effect.name === 'denied' || effect.name === 'failed') {
    const { code, message: detail } = effect.failure;
    const nextAttempt = nextAttemptOf(record, effect.nextHub, closing.isStopping);
    log(logger, `subscription.${effect.name}`, { ...fields, code, ...nextAttempt, detail });
  } else if (effect.name === 'hub-silent') {
    stored.counters.missed(effect.missed);
    const { hub = '', topic = '' } = grant ?? {};
    log(logger, 'hub.silent', { subscription: record.id, hub, topic, missed: effect.missed });
  } else {
    log(logger, `subscription.${effect.name}`, fields);
  }
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
  } else if (grant !== undefined && effect.name === 'hub-silent') {
    const { hub, topic } = grant;
    const message = `Hub ${hub} did not deliver ${effect.missed} new entries of ${topic}. They come from the poll.`;
    hooks.emit('hub-silent', () => ({ ...subject(), grant: grantSnapshot(grant), error: new WebSubError(message) }));
  } else if (grant !== undefined && effect.name !== 'denied') {
    hooks.emit(effect.name, () => ({ ...subject(), grant: grantSnapshot(grant) }));
  }
}

function grantField(grant: GrantRecord | undefined): { readonly grant?: Grant } {
  return grant === undefined ? {} : { grant: grantSnapshot(grant) };
}
