import { caughtUp } from './wanting.js';
import { andThen, renew, unchanged } from './changes.js';
import { due } from './due.js';
import type { Effect, SubscriptionEvent, Transition, TransitionContext } from './events.js';
import type { GrantRecord, SubscriptionOverrides, SubscriptionRecord } from './record.js';
import { isAsking, isDeniedUnasked, isWorking } from './state.js';

type Of<Type extends SubscriptionEvent['type']> = Extract<SubscriptionEvent, { type: Type }>;

/** Nothing holds it any more, and it starts afresh. */
export function retried(
  record: SubscriptionRecord,
  { overrides = record.overrides }: Of<'retried'>,
  context: TransitionContext,
): Transition {
  const begun = { desired: 'subscribed', hold: undefined, heldByVersion1: undefined } as const;
  const freed: SubscriptionRecord = { ...afresh(record, context.now, isReleased), overrides, ...begun };
  const done = caughtUp(freed, context);
  if (!isOtherwise(overrides, record.overrides)) return done;
  // The hub is to know at once what is asked of it otherwise, not at the next renewal.
  return andThen(done, (reached) => renewedNow(reached, done.effects, context));
}

/** What works is renewed now; what is being asked already is not asked twice. */
export function renewalWanted(record: SubscriptionRecord, context: TransitionContext): Transition {
  return isAsking(record) ? renewedNow(record, [], context) : unchanged(record);
}

/** What works is renewed with another secret, or its hub asked to deliver to another callback. */
export function rotationWanted(
  record: SubscriptionRecord,
  { what }: Of<'rotation-wanted'>,
  context: TransitionContext,
): Transition {
  if (!isAsking(record)) return unchanged(record);
  const marked = record.grants.map((grant) => {
    if (!isWorking(grant)) return grant;
    return what === 'secret' ? { ...grant, freshSecret: true } : { ...grant, askAfreshAt: context.now };
  });
  const reached = { ...record, grants: marked };
  return what === 'secret' ? renewedNow(reached, [], context) : due(reached, context);
}

function renewedNow(record: SubscriptionRecord, begun: readonly Effect[], context: TransitionContext): Transition {
  let current = unchanged(record);
  for (const grant of record.grants) {
    const isOnItsWay = begun.some((effect) => effect.type === 'request' && effect.grantId === grant.id);
    const isBegun = isOnItsWay || grant.pending !== undefined || grant.renewalDue === true;
    if (isWorking(grant) && !isBegun) current = andThen(current, (reached) => renew(reached, grant.id, context));
  }
  return current;
}

/** Failures are counted from nothing, and what waits because of them is tried now; what holds for other reasons still does. */
export function countersReset(record: SubscriptionRecord, context: TransitionContext): Transition {
  const hold = record.hold === 'gave-up' ? undefined : record.hold;
  const released = { ...afresh(record, context.now, hasNotRefused), hold };
  return isAsking(released) ? caughtUp(released, context) : unchanged(released);
}

const isReleased = (): boolean => true;

/** What a hub refused or denied is not asked for sooner because of what else failed (PROTOCOL N2). */
function hasNotRefused({ state, deniedAt, refusals = 0 }: GrantRecord): boolean {
  return state === 'unsubscribing' || (deniedAt === undefined && refusals === 0);
}

/** Nothing has failed so far, and no hub is left alone for it. */
function afresh(record: SubscriptionRecord, now: number, isFreed: (grant: GrantRecord) => boolean): SubscriptionRecord {
  return {
    ...record,
    passedOver: [],
    attempts: 0,
    failures: undefined,
    nextAttemptAt: undefined,
    grants: record.grants.map((grant) => {
      if (grant.superseded === true)
        return isFreed(grant) ? { ...grant, refusals: undefined, notBefore: undefined } : grant;
      if (!isFreed(grant)) return { ...grant, attempts: 0 };
      const isDenied = isDeniedUnasked(grant);
      return {
        ...grant,
        attempts: 0,
        refusals: undefined,
        deniedAt: isDenied ? grant.deniedAt : undefined,
        // What is to be asked because of a denial is asked now.
        askAfreshAt: grant.askAfreshAt === undefined ? undefined : now,
        nextAttemptAt: isDenied && grant.nextAttemptAt !== undefined ? now : nextOf(grant, now),
        notBefore: undefined,
        // A request that was denied would be in the way of the next one until its deadline.
        pending: grant.pending?.denied === true ? undefined : grant.pending,
      };
    }),
  };
}

/** A renewal that has begun goes on; one that failed, and what a hub would not end, is asked for again. */
function nextOf(
  { state, renewalDue, nextAttemptAt, attempts, refusals = 0 }: GrantRecord,
  now: number,
): number | undefined {
  const isFailed = state === 'unsubscribing' || (state === 'active' && attempts + refusals > 0);
  if (isFailed && nextAttemptAt !== undefined && renewalDue !== true) return now;
  return renewalDue === true ? nextAttemptAt : undefined;
}

function isOtherwise(a: SubscriptionOverrides | undefined, b: SubscriptionOverrides | undefined): boolean {
  return a?.leaseSeconds !== b?.leaseSeconds || a?.secret !== b?.secret;
}
