import { planCatchUp } from './catch-up-plan.js';
import { maxPollWaitMs, pollIntervalMs, withNextPoll, withoutPoll } from './poll-plan.js';
import { canFetchTopic } from './readable-grant.js';
import { withoutEffects } from '../record-changes.js';
import type { InputOf, Transition, TransitionContext } from '../transition-types.js';
import type { SubscriptionRecord } from '../../record/record.js';
import { isEnabled, isWorking } from '../state.js';

/** Extra wait before a topic without a working grant is fetched, in milliseconds. Its hub may redeliver meanwhile. */
const REDELIVERY_WAIT_MS = 60_000;

/** The service receives again after a pause. Missed events and overdue polls are fetched, spread over time. */
export function onResumed(
  record: SubscriptionRecord,
  input: InputOf<'resumed'>,
  context: TransitionContext,
): Transition {
  if (!isEnabled(record)) return withoutEffects(record);
  return withoutEffects(withPollResumed(withCatchUpResumed(record, input, context), context));
}

/** The time since which events may have been missed, in epoch milliseconds; undefined if none were missed. */
export function missedSince(
  { grants, gapSince }: SubscriptionRecord,
  receivedUntil: number | undefined,
): number | undefined {
  const since = grants.some(isWorking) ? receivedUntil : undefined;
  return gapSince === undefined || since === undefined ? (gapSince ?? since) : Math.min(gapSince, since);
}

function withCatchUpResumed(
  record: SubscriptionRecord,
  { receivedUntil, fetchAt }: InputOf<'resumed'>,
  context: TransitionContext,
): SubscriptionRecord {
  const gapSince = context.rules.catchUp === false ? undefined : missedSince(record, receivedUntil);
  if (gapSince !== undefined && canFetchTopic(record)) {
    const at = fetchAt + (record.grants.some(isWorking) ? 0 : REDELIVERY_WAIT_MS);
    return planCatchUp({ ...record, gapSince: Math.min(gapSince, context.now) }, context, { at });
  }
  const { catchUp } = record;
  if (catchUp === undefined) return record;
  return planCatchUp(record, context, { at: fetchAt, refused: catchUp.refused });
}

/** Plans the next poll if it is overdue, has no time, or was planned for a longer interval. */
function withPollResumed(record: SubscriptionRecord, context: TransitionContext): SubscriptionRecord {
  const { now, rules } = context;
  if (pollIntervalMs(rules) === 0) return record.poll === undefined ? record : withoutPoll(record);
  if (record.grants.length === 0) return record;
  const { poll = {} } = record;
  const isPlanned = poll.at !== undefined && poll.at > now && poll.at <= now + maxPollWaitMs(poll, rules);
  return isPlanned ? record : withNextPoll(record, context);
}
