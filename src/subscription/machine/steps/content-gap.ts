import { unchanged } from '../changes.js';
import type { SubscriptionEvent, Transition, TransitionContext } from '../events.js';
import type { SubscriptionRecord } from '../../record/record.js';
import { isEnabled, isWorking } from '../state.js';

type EventOf<Type extends SubscriptionEvent['type']> = Extract<SubscriptionEvent, { type: Type }>;

/** A hub that failed for a shorter time, while no lease ran out, comes again with what it has by itself. */
const MIN_OUTAGE_MS = 60_000;

/**
 * Notes since when news may have been missed (PROTOCOL L3): no hub delivers any more, or the hub that does has begun to
 * fail. It is caught up with when a lease has run out, and when a hub delivers again.
 */
export function withGap(
  before: SubscriptionRecord,
  event: SubscriptionEvent,
  next: Transition,
  context: TransitionContext,
): Transition {
  const { record } = next;
  if (record === before || event.type === 'fetched' || event.type === 'missed') return next;
  if (isContentUnwanted(record) || context.rules.catchUp === false) {
    return record.gapSince === undefined ? next : { ...next, record: withoutGap(record) };
  }
  const wasReceiving = isReceiving(before);
  if (isVerification(before, event, next, context)) return startCatchUp(before, next, context);
  const gapSince = record.gapSince ?? gapBetween(before, record, context);
  if (gapSince === undefined) return next;
  const hasLapsed = event.type === 'due' && wasReceiving && !isReceiving(record) && isEnabled(record);
  return {
    record: gapSince === record.gapSince ? record : { ...record, gapSince },
    effects: hasLapsed ? [...next.effects, { type: 'catch-up' }] : next.effects,
  };
}

/** Notes when a hub first verified the subscription. A grant verified before belongs to a record of 0.1.0: too late for it. */
export function withFirstVerification(before: SubscriptionRecord, next: Transition): Transition {
  const { record } = next;
  if (record === before || record.firstVerifiedAt !== undefined || verificationsOf(before).length > 0) return next;
  const verifiedAt = verificationsOf(record);
  return verifiedAt.length === 0 ? next : { ...next, record: { ...record, firstVerifiedAt: Math.min(...verifiedAt) } };
}

function verificationsOf({ grants }: SubscriptionRecord): readonly number[] {
  return grants.flatMap(({ verifiedAt }) => verifiedAt ?? []);
}

/** Whether a hub said that it delivers from now on: on the callback, or by its answer to the request (PROTOCOL S4). */
function isVerification(
  before: SubscriptionRecord,
  event: SubscriptionEvent,
  { record }: Transition,
  { now }: TransitionContext,
): boolean {
  if (event.type === 'verified') return event.mode === 'subscribe';
  if (event.type !== 'accepted') return false;
  if (wasVerifiedInFlight(before, event)) return true;
  if (event.isDone !== true) return false;
  return record.grants.some((grant) => grant.id === event.grantId && isWorking(grant) && grant.verifiedAt === now);
}

/** What may have been missed is to be made up for, whatever becomes of this process. */
export function onMissed(record: SubscriptionRecord, { since, isRenewalOwed = false }: EventOf<'missed'>): Transition {
  const { gapSince = Infinity, renewalOwed = false } = record;
  const isNoted = since >= gapSince && (renewalOwed || !isRenewalOwed);
  if (isNoted) return unchanged(record);
  return unchanged({
    ...record,
    gapSince: Math.min(since, gapSince),
    renewalOwed: isRenewalOwed ? true : record.renewalOwed,
  });
}

/** The topic was fetched, and what is new of it is kept for the handler: nothing before that is missing. */
export function onFetched(record: SubscriptionRecord, { since, beganAt, fetched }: EventOf<'fetched'>): Transition {
  const gapSince = gapAfter(record, since, beganAt);
  const isSame = gapSince === record.gapSince && JSON.stringify(fetched) === JSON.stringify(record.fetched);
  return unchanged(isSame ? record : { ...record, gapSince, fetched: fetched });
}

function gapAfter(record: SubscriptionRecord, since: number | undefined, beganAt: number): number | undefined {
  const { gapSince } = record;
  if (gapSince === undefined || since === undefined || since > gapSince) return gapSince;
  const verifiedAt = record.grants.flatMap((grant) => (isWorking(grant) ? (grant.verifiedAt ?? 0) : []));
  // What came out between the fetch and the moment a hub was to deliver is not in either; nor is what a hub that fails still
  // does not deliver.
  const isClosed = record.attempts === 0 && verifiedAt.some((at) => at <= beganAt);
  return isClosed ? undefined : Math.max(gapSince, beganAt);
}

/** Whether the request that was accepted had been verified while it was open. */
function wasVerifiedInFlight({ grants }: SubscriptionRecord, { grantId, requestId }: EventOf<'accepted'>): boolean {
  return grants.some(({ id, pending }) => id === grantId && pending?.id === requestId && pending.verified === true);
}

/** A hub delivers again. */
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
  // With several hubs, one that fails is no gap while another one delivers.
  return hasBegunToFail && (rules.hubs === 'failover' || !isStillReceiving) ? now : undefined;
}

/** Whether news is not wanted any more, by whoever could want it. */
function isContentUnwanted({ desired, stoppedBecause: hold }: SubscriptionRecord): boolean {
  return desired === 'unsubscribed' || hold === 'handler-refused';
}

/** Whether some hub is to deliver. */
function isReceiving({ grants }: SubscriptionRecord): boolean {
  return grants.some(isWorking);
}

function withoutGap({ gapSince: _over, ...record }: SubscriptionRecord): SubscriptionRecord {
  return record;
}
