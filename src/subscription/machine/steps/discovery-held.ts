import { askForMissing, renewDue } from './on-discovered.js';
import { andThen, unchanged } from '../changes.js';
import type { SubscriptionEvent, Transition, TransitionContext } from '../events.js';
import { NOTHING_PLANNED } from '../rules/in-flight-guard.js';
import { isServed } from '../rules/current-grants.js';
import type { SubscriptionRecord } from '../../record/record.js';
import { isAsking } from '../state.js';

/**
 * The publisher asked to be left alone (PROTOCOL D13), so the hub and topic of the last discovery are used. If nothing is known
 * yet, discovery starts when the wait is over.
 */
export function discoveryHeld(
  record: SubscriptionRecord,
  { until }: Extract<SubscriptionEvent, { type: 'discovery-held' }>,
  context: TransitionContext,
): Transition {
  const ended = { ...record, ...NOTHING_PLANNED };
  if (!isAsking(ended)) return unchanged(ended);
  const isUnknown = ended.topic === undefined && !isServed(ended, context);
  const asked = isUnknown ? unchanged({ ...ended, nextAttemptAt: until }) : askForMissing(ended, context);
  return andThen(asked, (next) => renewDue(next, context));
}
