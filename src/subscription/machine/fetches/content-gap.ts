import { planCatchUp, withoutCatchUp } from './catch-up-plan.js';
import { canFetchTopic } from './readable-grant.js';
import { resumeCatchUp } from './on-caught-up.js';
import { resumePolls } from './on-polled.js';
import type { InputOf, TransitionInput, Transition, TransitionContext } from '../transition-types.js';
import type { SubscriptionRecord } from '../../record/record.js';
import { isEnabled, isWorking } from '../state.js';

/** Shorter outages need no catch-up if the lease still runs: the hub redelivers. In milliseconds. */
const MIN_OUTAGE_MS = 60_000;

/**
 * Stores the time since which events may have been missed (PROTOCOL L3). A gap begins when no hub delivers any more, or
 * when the delivering hub starts to fail. Catch-up starts when a lease has expired, and when a hub delivers again.
 */
export function withGap(
  before: SubscriptionRecord,
  input: TransitionInput,
  next: Transition,
  context: TransitionContext,
): Transition {
  const { record, effects } = next;
  if (record === before || FETCH_INPUTS.has(input.type)) return next;
  if (isContentUnwanted(record)) return { record: withoutGap(withoutCatchUp(record)), effects };
  if (context.rules.catchUp === false) {
    // Refused content still leads to a renewal.
    return { record: withoutGap(record.renewalOwed === true ? record : withoutCatchUp(record)), effects };
  }
  if (isVerification(before, input, next, context)) return { record: startCatchUp(before, record, context), effects };
  const gapSince = record.gapSince ?? gapBetween(before, record, context);
  if (gapSince === undefined) return next;
  const withSince = gapSince === record.gapSince ? record : { ...record, gapSince };
  const hasLapsed = input.type === 'due' && isReceiving(before) && !isReceiving(record) && isEnabled(record);
  return { record: hasLapsed && canFetchTopic(record) ? planCatchUp(withSince, context) : withSince, effects };
}

/** Inputs about fetches and refused content. They decide about the gap themselves. */
const FETCH_INPUTS: ReadonlySet<TransitionInput['type']> = new Set<TransitionInput['type']>([
  'caught-up',
  'catch-up-failed',
  'catch-up-skipped',
  'catch-up-dropped',
  'content-refused',
  'room-found',
  'room-missing',
  'resumed',
]);

/** Plans the fetches that were skipped after crashes, once a hub has verified the subscription. */
export function withSkippedFetches(next: Transition, context: TransitionContext): Transition {
  const { record, effects } = next;
  const isVerified = effects.some(
    (effect) => effect.type === 'hook' && (effect.name === 'verified' || effect.name === 'renewed'),
  );
  return isVerified ? { record: resumePolls(resumeCatchUp(record, context), context), effects } : next;
}

/**
 * Stores when a hub first verified the subscription. Records of 0.1.0 lack this time. If one of their grants is
 * verified already, the time stays missing.
 */
export function withFirstVerification(before: SubscriptionRecord, next: Transition): Transition {
  const { record } = next;
  if (record === before || record.firstVerifiedAt !== undefined || verificationsOf(before).length > 0) return next;
  const verifiedAt = verificationsOf(record);
  return verifiedAt.length === 0 ? next : { ...next, record: { ...record, firstVerifiedAt: Math.min(...verifiedAt) } };
}

function verificationsOf({ grants }: SubscriptionRecord): readonly number[] {
  return grants.flatMap(({ verifiedAt }) => verifiedAt ?? []);
}

/** Whether a hub confirmed the subscription: by a verification, or by the answer to the request (PROTOCOL S4). */
function isVerification(
  before: SubscriptionRecord,
  input: TransitionInput,
  { record }: Transition,
  { now }: TransitionContext,
): boolean {
  if (input.type === 'verified') return input.mode === 'subscribe';
  if (input.type !== 'accepted') return false;
  if (wasVerifiedInFlight(before, input)) return true;
  if (input.isDone !== true) return false;
  return record.grants.some((grant) => grant.id === input.grantId && isWorking(grant) && grant.verifiedAt === now);
}

/** Whether the accepted request was verified while it was in flight. */
function wasVerifiedInFlight({ grants }: SubscriptionRecord, { grantId, requestId }: InputOf<'accepted'>): boolean {
  return grants.some(({ id, pending }) => id === grantId && pending?.id === requestId && pending.verified === true);
}

/**
 * A hub delivers again. Plans a catch-up if a lease had expired or the outage was long; a plan that was made before stays.
 * Otherwise nothing was missed.
 */
function startCatchUp(
  before: SubscriptionRecord,
  record: SubscriptionRecord,
  context: TransitionContext,
): SubscriptionRecord {
  if (record.gapSince === undefined || !isReceiving(record)) return record;
  const isSettled = record.attempts === 0 || record.grants.some(({ pending }) => pending?.verified === true);
  if (!isSettled) return record;
  const hasLapsed = !isReceiving(before) && before.grants.some(({ verifiedAt }) => verifiedAt !== undefined);
  const isPlanned = record.catchUp !== undefined;
  if (isPlanned && !hasLapsed) return record;
  if (!hasLapsed && context.now - record.gapSince < MIN_OUTAGE_MS) return withoutGap(record);
  return canFetchTopic(record) ? planCatchUp(record, context) : record;
}

function gapBetween(
  before: SubscriptionRecord,
  after: SubscriptionRecord,
  { now, rules }: TransitionContext,
): number | undefined {
  const isStillReceiving = isReceiving(after);
  if (isReceiving(before) && !isStillReceiving) {
    const lapses = before.grants.flatMap((grant) => (isWorking(grant) ? (grant.expiresAt ?? now) : []));
    return Math.min(now, Math.max(...lapses));
  }
  const hasBegunToFail = before.attempts === 0 && after.attempts > 0;
  // With several hubs, a failing hub causes no gap while another hub delivers.
  return hasBegunToFail && (rules.hubs === 'failover' || !isStillReceiving) ? now : undefined;
}

/** Whether content is no longer wanted, by the user or by the handler of the service. */
function isContentUnwanted({ desired, stoppedBecause }: SubscriptionRecord): boolean {
  return desired === 'unsubscribed' || stoppedBecause === 'handler-refused';
}

/** Whether some hub is expected to deliver. */
function isReceiving({ grants }: SubscriptionRecord): boolean {
  return grants.some(isWorking);
}

function withoutGap(record: SubscriptionRecord): SubscriptionRecord {
  if (record.gapSince === undefined) return record;
  const { gapSince: _over, ...closed } = record;
  return closed;
}
