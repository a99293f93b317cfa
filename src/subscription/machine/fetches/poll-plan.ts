import type { PollRecord } from '../../record/fetch-records.js';
import type { SubscriptionRecord } from '../../record/record.js';
import { halfJitterWaitMs, TOPIC_FETCH } from '../../retry-policy.js';
import { isEnabled } from '../state.js';
import type { SubscriptionRules, Transition, TransitionContext } from '../transition-types.js';
import { isCatchingUp } from './catch-up-plan.js';

/**
 * Time a hub has to deliver an entry that its topic already has, in milliseconds. Shorter if the topic is polled more
 * often.
 */
const MAX_GRACE_MS = 300_000;

type Drawn = Pick<TransitionContext, 'now' | 'random' | 'rules'>;

/** Milliseconds between two polls; 0 if the topic is not polled. */
export function pollIntervalMs({ pollSeconds = 0 }: Pick<SubscriptionRules, 'pollSeconds'>): number {
  return pollSeconds * 1000;
}

/** Time that a hub has to deliver an entry that a poll has found, in milliseconds. */
export function pollGraceMs(rules: Pick<SubscriptionRules, 'pollSeconds'>): number {
  return Math.min(MAX_GRACE_MS, pollIntervalMs(rules));
}

/** When the next poll of a subscription is due, in epoch milliseconds; undefined if none is planned. */
export function pollDueAt(record: SubscriptionRecord): number | undefined {
  return isEnabled(record) && !isCatchingUp(record) ? record.poll?.at : undefined;
}

/** Plans the first poll of a subscription with a grant, and ends the polling of one that is not polled any more. */
export function withPoll(before: SubscriptionRecord, next: Transition, context: Drawn): Transition {
  const { record, effects } = next;
  if (record === before) return next;
  const isPolled = pollIntervalMs(context.rules) > 0 && isEnabled(record) && record.grants.length > 0;
  if (isPolled === (record.poll !== undefined)) return next;
  return { record: isPolled ? withNextPoll(record, context) : withoutPoll(record), effects };
}

/** Plans the next poll: now if it is the first, otherwise at a random time within the interval. */
export function withNextPoll(record: SubscriptionRecord, { now, random, rules }: Drawn): SubscriptionRecord {
  const isFirst = record.fetched?.polledAt === undefined;
  return withPollAt(record, isFirst ? now : now + Math.floor(random * pollIntervalMs(rules)));
}

/** The record without polling. */
export function withoutPoll({ poll: _ended, ...record }: SubscriptionRecord): SubscriptionRecord {
  return record;
}

/** Moves the next poll. Without a time, polling pauses until a hub verifies again. */
export function withPollAt(record: SubscriptionRecord, at: number | undefined): SubscriptionRecord {
  return { ...record, poll: { ...record.poll, at } };
}

/** When to poll again after a poll, in epoch milliseconds. */
export function nextPollAt({ now, random, rules }: Drawn, areEntriesMissing: boolean): number {
  if (areEntriesMissing) return now + pollGraceMs(rules);
  return now + Math.floor(pollIntervalMs(rules) * (0.9 + random / 5));
}

/** When to poll again after a failed poll, in epoch milliseconds. The wait grows up to 1 h, or the interval if longer. */
export function retryPollAt(context: Drawn, attempts: number): number {
  const { now, random, rules } = context;
  const wait = halfJitterWaitMs(attempts, random, { baseMs: pollIntervalMs(rules), capMs: maxRetryWaitMs(rules) });
  return Math.max(nextPollAt(context, false), now + wait);
}

/** The longest planned wait for the next poll, in milliseconds, unless the publisher sends `Retry-After`. */
export function maxPollWaitMs({ attempts = 0 }: PollRecord, rules: SubscriptionRules): number {
  return Math.max(1.1 * pollIntervalMs(rules), attempts === 0 ? 0 : maxRetryWaitMs(rules));
}

function maxRetryWaitMs(rules: SubscriptionRules): number {
  return Math.max(pollIntervalMs(rules), TOPIC_FETCH.capMs);
}
