import { askForMissing, renewDue } from './asking.js';
import { andThen, unchanged } from './changes.js';
import type { SubscriptionEvent, Transition, TransitionContext } from './events.js';
import { isServed } from './presence.js';
import type { SubscriptionRecord } from './record.js';
import { isAsking } from './state.js';

/**
 * The publisher is left alone (PROTOCOL D13): what is known from the last discovery has to do. Where nothing is, it begins
 * when that is over.
 */
export function discoveryHeld(
  record: SubscriptionRecord,
  { until }: Extract<SubscriptionEvent, { type: 'discovery-held' }>,
  context: TransitionContext,
): Transition {
  const ended = { ...record, nextAttemptAt: undefined };
  if (!isAsking(ended)) return unchanged(ended);
  const isUnknown = ended.topic === undefined && !isServed(ended, context);
  const asked = isUnknown ? unchanged({ ...ended, nextAttemptAt: until }) : askForMissing(ended, context);
  return andThen(asked, (next) => renewDue(next, context));
}
