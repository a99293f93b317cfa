import { onHubSilent } from '../steps/on-hub-silent.js';
import { nextPollAt, retryPollAt, withNextPoll, withPollAt } from './poll-plan.js';
import { withoutEffects } from '../record-changes.js';
import type { InputOf, Transition, TransitionContext } from '../transition-types.js';
import { MAX_MISSING, type MissingSince, type PollRecord } from '../../record/fetch-records.js';
import type { SubscriptionRecord } from '../../record/record.js';

/** The stored time of the last poll is updated when it is older than this, in milliseconds. */
export const POLLED_AT_INTERVAL_MS = 86_400_000;

/** A poll read the topic. */
export function onPolled(
  record: SubscriptionRecord,
  { dueAt, fetched, missing, silent }: InputOf<'polled'>,
  context: TransitionContext,
): Transition {
  if (record.poll?.at !== dueAt) return withoutEffects(record);
  const { now } = context;
  const { polledAt } = record.fetched ?? {};
  const isOutdated = (polledAt ?? -Infinity) < now - POLLED_AT_INTERVAL_MS;
  const { renewedAt } = record.poll;
  const poll: PollRecord = {
    at: nextPollAt(context, missing.length > 0),
    ...missingFields(missing),
    ...(renewedAt === undefined ? {} : { renewedAt }),
  };
  const polled = { ...record, poll, fetched: { ...fetched, polledAt: isOutdated ? now : polledAt } };
  return silent === undefined ? withoutEffects(polled) : onHubSilent(polled, silent, context);
}

/** The missing entries as stored: those found first, and when the first of the others was found. */
function missingFields(missing: readonly MissingSince[]): Pick<PollRecord, 'missing' | 'othersMissingSince'> {
  if (missing.length === 0) return {};
  if (missing.length <= MAX_MISSING) return { missing };
  const [first, others] = [missing.slice(0, MAX_MISSING), missing.slice(MAX_MISSING)];
  const earliest = others.reduce((time, [, since]) => Math.min(time, since), Infinity);
  return { missing: first, othersMissingSince: earliest };
}

/** A poll failed. The next one waits longer. */
export function onPollFailed(
  record: SubscriptionRecord,
  { dueAt, notBefore }: InputOf<'poll-failed'>,
  context: TransitionContext,
): Transition {
  if (record.poll?.at !== dueAt) return withoutEffects(record);
  const attempts = (record.poll.attempts ?? 0) + 1;
  const at = Math.max(retryPollAt(context, attempts), notBefore);
  return withoutEffects({ ...record, poll: { ...record.poll, at, attempts } });
}

/** The topic is not polled before a hub verifies again: it cannot be fetched, or ended the process several times. */
export function onPollSkipped(record: SubscriptionRecord, { dueAt }: InputOf<'poll-skipped'>): Transition {
  return withoutEffects(record.poll?.at === dueAt ? withPollAt(record, undefined) : record);
}

/** Plans the polls that were skipped, now that a hub has verified. */
export function resumePolls(record: SubscriptionRecord, context: TransitionContext): SubscriptionRecord {
  const isSkipped = record.poll !== undefined && record.poll.at === undefined;
  return isSkipped ? withNextPoll(record, context) : record;
}
