import { hasStartedRenewal, requestMissing, requestStartedRenewals, retryLater } from './on-discovered.js';
import { andThen, withFailedAttempt, withFailure, withoutEffects } from '../record-changes.js';
import type { Effect, InputOf, Transition, TransitionContext } from '../transition-types.js';
import { isSatisfied } from '../rules/current-grants.js';
import { NOTHING_PLANNED } from '../rules/in-flight-guard.js';
import { withPublisherRetryAfter } from '../rules/publisher-retry-after.js';
import type { SubscriptionRecord } from '../../record/record.js';
import { isEnabled } from '../state.js';

/** Discovery failed, so the result of the last discovery is used. Working grants are renewed at their current hubs. */
export function onDiscoveryFailed(
  record: SubscriptionRecord,
  { discoveryId, failure, retryAfter }: InputOf<'discovery-failed'>,
  context: TransitionContext,
): Transition {
  if (record.currentDiscovery !== discoveryId) return withoutEffects(record);
  const updated = retryAfter === undefined ? record : withPublisherRetryAfter(record, retryAfter, context.now);
  const ended = { ...updated, currentDiscovery: undefined, ...NOTHING_PLANNED };
  if (!isEnabled(ended)) return withoutEffects(ended);
  const hook: Effect = { type: 'hook', name: 'failed', failure };
  if (isSatisfied(ended, context)) {
    if (!ended.grants.some(hasStartedRenewal)) return withoutEffects(ended);
    return andThen({ record: withFailure(ended, failure), effects: [hook] }, (next) =>
      requestStartedRenewals(next, context),
    );
  }
  const withHook = { record: withFailedAttempt(ended, failure, context.rules), effects: [hook] };
  return andThen(withHook, (failed) => {
    if (!isEnabled(failed)) return withoutEffects(failed);
    const requested =
      failed.topic === undefined ? retryLater(failed, context, retryAfter?.until) : requestMissing(failed, context);
    return andThen(requested, (next) => requestStartedRenewals(next, context));
  });
}

/**
 * The publisher's `Retry-After` forbids discovery now (PROTOCOL D13), so the hubs and topic of the last discovery are
 * used. Without an earlier discovery, discovery starts when the wait is over.
 */
export function onDiscoveryDeferred(
  record: SubscriptionRecord,
  { discoveryId, until }: InputOf<'discovery-deferred'>,
  context: TransitionContext,
): Transition {
  if (record.currentDiscovery !== discoveryId) return withoutEffects(record);
  const ended = { ...record, currentDiscovery: undefined, ...NOTHING_PLANNED };
  if (!isEnabled(ended)) return withoutEffects(ended);
  const isUnknown = ended.topic === undefined && !isSatisfied(ended, context);
  const requested = isUnknown ? withoutEffects({ ...ended, nextAttemptAt: until }) : requestMissing(ended, context);
  return andThen(requested, (next) => requestStartedRenewals(next, context));
}
