import { caughtUp } from './on-wanted.js';
import { andThen, renew, unchanged, withGrant } from '../changes.js';
import { due } from './on-due.js';
import type { Effect, SubscriptionEvent, Transition, TransitionContext } from '../events.js';
import { isOtherwise, mergedOverrides } from '../../record/overrides.js';
import type { GrantRecord, SubscriptionRecord } from '../../record/record.js';
import { withoutRest } from '../rules/refusal-cooldown.js';
import { isAsking, isDeniedUnasked, isOpen, isOver, isWorking } from '../state.js';

type Of<Type extends SubscriptionEvent['type']> = Extract<SubscriptionEvent, { type: Type }>;

/** Nothing holds it any more, and it starts afresh. */
export function retried(
  record: SubscriptionRecord,
  { overrides: given, metadata = record.metadata }: Of<'retried'>,
  context: TransitionContext,
): Transition {
  const begun = { desired: 'subscribed', hold: undefined, heldByVersion1: undefined } as const;
  const overrides = mergedOverrides(record.overrides, given);
  const user = metadata === undefined ? { overrides } : { overrides, metadata };
  const freed: SubscriptionRecord = { ...afresh(record, context.now, isReleased), ...user, ...begun };
  const done = caughtUp(freed, context);
  if (!isOtherwise(overrides, record.overrides)) return done;
  // The hub is to know at once what is asked of it otherwise, not at the next renewal.
  return andThen(done, (reached) => renewedNow(outdated(reached, context), done.effects, context));
}

/** Open requests ask for what was wanted before, so their grants are renewed once they are verified, which may be late. */
function outdated(record: SubscriptionRecord, { now }: TransitionContext): SubscriptionRecord {
  if (!record.grants.some((grant) => isOpen(grant, now))) return record;
  const grants = record.grants.map((grant) => (isOpen(grant, now) ? { ...grant, isOutdated: true } : grant));
  return { ...record, grants };
}

/** Renews working grants now, but for those with a request in flight. */
export function renewalWanted(
  given: SubscriptionRecord,
  { isOwed = false }: Of<'renewal-wanted'>,
  context: TransitionContext,
): Transition {
  const record = given.renewalOwed === undefined ? given : { ...given, renewalOwed: undefined };
  if (!isAsking(record)) return unchanged(record);
  return renewedNow(isOwed ? record : atLiberty(record), [], context);
}

/** The record without the waits at the hubs of working grants: the user wants them asked now. */
function atLiberty(record: SubscriptionRecord): SubscriptionRecord {
  const idle = record.grants.filter((grant) => isWorking(grant) && grant.pending === undefined);
  const free = (reached: SubscriptionRecord, grant: GrantRecord): SubscriptionRecord =>
    withoutRest(
      grant.notBefore === undefined
        ? reached
        : withGrant(reached, grant.id, (one) => ({ ...one, notBefore: undefined })),
      grant,
    );
  return idle.reduce(free, record);
}

/** Renews working grants with another secret, or asks their hubs to deliver to another callback. */
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
  const reached = atLiberty({ ...record, grants: marked });
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

/** Whether a grant waits for no denial or refusal: those waits outlast a reset of the counters (PROTOCOL N2). */
function hasNotRefused({ state, deniedAt, refusals = 0 }: GrantRecord): boolean {
  return state === 'unsubscribing' || (deniedAt === undefined && refusals === 0);
}

/** Nothing has failed so far, and no hub is left alone for it. */
function afresh(record: SubscriptionRecord, now: number, isFreed: (grant: GrantRecord) => boolean): SubscriptionRecord {
  return {
    ...record,
    passedOver: [],
    attempts: 0,
    attemptsKept: undefined,
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
        // A stranger may know the callback of a grant that a denial ended: no hub is given it again.
        deniedAt: isDenied || isOver(grant) ? grant.deniedAt : undefined,
        // A question that a denial led to is asked now.
        askAfreshAt: grant.askAfreshAt === undefined ? undefined : now,
        nextAttemptAt: isDenied && grant.nextAttemptAt !== undefined ? now : nextOf(grant, now),
        notBefore: undefined,
        // A request that was denied would be in the way of the next one until its deadline.
        pending: grant.pending?.denied === true ? undefined : grant.pending,
      };
    }),
  };
}

/** A renewal that has begun goes on; one that failed or was denied, and what a hub would not end, is asked for again. */
function nextOf(
  { state, pending, renewalDue, nextAttemptAt, attempts, refusals = 0 }: GrantRecord,
  now: number,
): number | undefined {
  if (state === 'active' && pending?.denied === true) return now;
  const isFailed = state === 'unsubscribing' || (state === 'active' && attempts + refusals > 0);
  if (isFailed && nextAttemptAt !== undefined && renewalDue !== true) return now;
  return renewalDue === true ? nextAttemptAt : undefined;
}
