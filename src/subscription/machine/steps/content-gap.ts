import { withoutEffects } from '../record-changes.js';
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
  const { record } = next;
  if (record === before || input.type === 'fetched' || input.type === 'missed') return next;
  if (isContentUnwanted(record) || context.rules.catchUp === false) {
    return record.gapSince === undefined ? next : { ...next, record: withoutGap(record) };
  }
  const wasReceiving = isReceiving(before);
  if (isVerification(before, input, next, context)) return startCatchUp(before, next, context);
  const gapSince = record.gapSince ?? gapBetween(before, record, context);
  if (gapSince === undefined) return next;
  const hasLapsed = input.type === 'due' && wasReceiving && !isReceiving(record) && isEnabled(record);
  return {
    record: gapSince === record.gapSince ? record : { ...record, gapSince },
    effects: hasLapsed ? [...next.effects, { type: 'catch-up' }] : next.effects,
  };
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

/** Stores that events may have been missed, so that a catch-up follows even after a restart. */
export function onMissed(record: SubscriptionRecord, { since, isRenewalOwed = false }: InputOf<'missed'>): Transition {
  const { gapSince = Infinity, renewalOwed = false } = record;
  const isNoted = since >= gapSince && (renewalOwed || !isRenewalOwed);
  if (isNoted) return withoutEffects(record);
  return withoutEffects({
    ...record,
    gapSince: Math.min(since, gapSince),
    renewalOwed: isRenewalOwed ? true : record.renewalOwed,
  });
}

/**
 * The topic was fetched. With `since`, everything published between `since` and the fetch is stored for the handler.
 */
export function onFetched(record: SubscriptionRecord, { since, beganAt, fetched }: InputOf<'fetched'>): Transition {
  const gapSince = gapAfter(record, since, beganAt);
  const isSame = gapSince === record.gapSince && JSON.stringify(fetched) === JSON.stringify(record.fetched);
  return withoutEffects(isSame ? record : { ...record, gapSince, fetched });
}

function gapAfter(record: SubscriptionRecord, since: number | undefined, beganAt: number): number | undefined {
  const { gapSince } = record;
  if (gapSince === undefined || since === undefined || since > gapSince) return gapSince;
  const verifiedAt = record.grants.flatMap((grant) => (isWorking(grant) ? (grant.verifiedAt ?? 0) : []));
  // The gap closes only if a hub was verified before the fetch and none is failing. Otherwise content published after
  // the fetch may be missing.
  const isClosed = record.attempts === 0 && verifiedAt.some((at) => at <= beganAt);
  return isClosed ? undefined : Math.max(gapSince, beganAt);
}

/** Whether the accepted request was verified while it was in flight. */
function wasVerifiedInFlight({ grants }: SubscriptionRecord, { grantId, requestId }: InputOf<'accepted'>): boolean {
  return grants.some(({ id, pending }) => id === grantId && pending?.id === requestId && pending.verified === true);
}

/** A hub delivers again: starts a catch-up if a lease had expired or the outage was long. */
function startCatchUp(before: SubscriptionRecord, next: Transition, { now }: TransitionContext): Transition {
  const { record, effects } = next;
  if (record.gapSince === undefined || !isReceiving(record)) return next;
  const isSettled = record.attempts === 0 || record.grants.some(({ pending }) => pending?.verified === true);
  if (!isSettled) return next;
  const hasLapsed = !isReceiving(before) && before.grants.some(({ verifiedAt }) => verifiedAt !== undefined);
  if (hasLapsed || now - record.gapSince >= MIN_OUTAGE_MS) {
    return { record, effects: [...effects, { type: 'catch-up' }] };
  }
  return { record: withoutGap(record), effects };
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

function withoutGap({ gapSince: _over, ...record }: SubscriptionRecord): SubscriptionRecord {
  return record;
}
