import { requestMissing, requestDueRenewals } from './on-discovered.js';
import { andThen, unchanged } from '../changes.js';
import type { SubscriptionEvent, Transition, TransitionContext } from '../events.js';
import { NOTHING_PLANNED } from '../rules/in-flight-guard.js';
import { isSatisfied } from '../rules/current-grants.js';
import type { SubscriptionRecord } from '../../record/record.js';
import { isEnabled } from '../state.js';

/**
 * The publisher asked to be left alone (PROTOCOL D13), so the hub and topic of the last discovery are used. If nothing is known
 * yet, discovery starts when the wait is over.
 */
export function onDiscoveryDeferred(
  record: SubscriptionRecord,
  { until }: Extract<SubscriptionEvent, { type: 'discovery-deferred' }>,
  context: TransitionContext,
): Transition {
  const ended = { ...record, ...NOTHING_PLANNED };
  if (!isEnabled(ended)) return unchanged(ended);
  const isUnknown = ended.topic === undefined && !isSatisfied(ended, context);
  const requested = isUnknown ? unchanged({ ...ended, nextAttemptAt: until }) : requestMissing(ended, context);
  return andThen(requested, (next) => requestDueRenewals(next, context));
}
