import { requestFreshGrant, canRequestFreshGrant } from './fresh-grant.js';
import { FAILOVER_AFTER, IMMEDIATE_FAILOVERS, HUB_UNREACHABLE, retryWaitMs } from '../../retry-policy.js';
import {
  andThen,
  withFailedAttempt,
  unsubscribingGrant,
  withFailure,
  startRequest,
  unchanged,
  withGrant,
} from '../changes.js';
import type { Effect, SubscriptionEvent, Transition, TransitionContext } from '../events.js';
import { reusableGrantAt } from '../rules/reusable-grant.js';
import { inFlightGuard, NOTHING_PLANNED } from '../rules/in-flight-guard.js';
import { verifyTimeoutMs } from '../rules/lease.js';
import {
  isFullyGranted,
  isCurrent,
  isSatisfied,
  isLiveOrRequested,
  silentHubs,
  withoutExpiredSilence,
} from '../rules/current-grants.js';
import { withPublisherRetryAfter } from '../rules/publisher-retry-after.js';
import type { GrantRecord, SubscriptionRecord } from '../../record/record.js';
import { cooldownOf } from '../rules/refusal-cooldown.js';
import { isEnabled, isLive, isOver, isWorking } from '../state.js';

type EventOf<Type extends SubscriptionEvent['type']> = Extract<SubscriptionEvent, { type: Type }>;

/** What discovery found is asked for where it is not there yet, and what works is renewed where it is found (PROTOCOL D10). */
export function onDiscovered(
  record: SubscriptionRecord,
  { topic, hubs, feed }: EventOf<'discovered'>,
  context: TransitionContext,
): Transition {
  const updated = { ...withoutExpiredSilence(record, context.now), topic, hubs, feed, ...NOTHING_PLANNED };
  if (!isEnabled(updated)) return unchanged(updated);
  const withHooks = { record: updated, effects: moveHooks(record, updated, context) };
  return andThen(
    andThen(withHooks, (next) => requestMissing(next, context)),
    (next) => requestDueRenewals(next, context),
  );
}

/** Without discovery, what is known from the last one has to do: what works is renewed where it is. */
export function onDiscoveryFailed(
  record: SubscriptionRecord,
  { failure, retryAfter }: EventOf<'discovery-failed'>,
  context: TransitionContext,
): Transition {
  const updated = retryAfter === undefined ? record : withPublisherRetryAfter(record, retryAfter, context.now);
  const ended = { ...updated, ...NOTHING_PLANNED };
  if (!isEnabled(ended)) return unchanged(ended);
  const hook: Effect = { type: 'hook', name: 'failed', failure };
  if (isSatisfied(ended, context)) {
    if (!ended.grants.some(isRenewalDue)) return unchanged(ended);
    return andThen({ record: withFailure(ended, failure), effects: [hook] }, (next) =>
      requestDueRenewals(next, context),
    );
  }
  const withHook = { record: withFailedAttempt(ended, failure, context.rules), effects: [hook] };
  return andThen(withHook, (failed) => {
    if (!isEnabled(failed)) return unchanged(failed);
    const requested =
      failed.topic === undefined ? retryLater(failed, context, retryAfter?.until) : requestMissing(failed, context);
    return andThen(requested, (next) => requestDueRenewals(next, context));
  });
}

/** Asks the hubs that are to grant it and do not, by the service's rule. */
export function requestMissing(record: SubscriptionRecord, context: TransitionContext): Transition {
  if (!isEnabled(record) || isSatisfied(record, context)) return unchanged(record);
  return context.rules.hubs === 'all' ? requestFromAllHubs(record, context) : requestFromNextHub(record, context);
}

/**
 * Asks the next advertised hub that has not been passed over in this round, nor is to be left alone; when the round is
 * over, it begins again later.
 */
export function requestFromNextHub(record: SubscriptionRecord, context: TransitionContext): Transition {
  const { now, callbackReservedUntil } = context;
  if (callbackReservedUntil !== undefined) return unchanged({ ...record, nextAttemptAt: callbackReservedUntil });
  const hubs = hubsToRequest(record, context);
  // What works, if badly, is renewed by its own schedule.
  if (hubs.length === 0 && remainingHubs(record).length > 0) return unchanged({ ...record, passedOver: [] });
  if (hubs.length === 0) return retryLater({ ...record, passedOver: [] }, context);
  const hub = hubs.find((each) => (readyAt(record, each, context) ?? now) <= now);
  if (hub === undefined) return nextRound(record, context);
  return requestFromHub({ ...record, grants: record.grants.map(withoutSchedule) }, hub, context);
}

/** When a hub may be asked again, by what it answered last (epoch milliseconds); undefined where nothing speaks against it. */
function readyAt(record: SubscriptionRecord, hub: string, context: TransitionContext): number | undefined {
  const { notBefore = 0 } = reusableGrantAt(record, hub, context) ?? {};
  const at = Math.max(notBefore, cooldownOf(record, { advertisedHub: hub, topic: record.topic ?? '' }, context).until);
  return at === 0 ? undefined : at;
}

/** Whether another hub may be asked again before a time. */
export function isOtherHubSooner(
  record: SubscriptionRecord,
  hub: string,
  at: number,
  context: TransitionContext,
): boolean {
  return record.hubs.some((other) => other !== hub && (readyAt(record, other, context) ?? Infinity) < at);
}

/** No hub is left to ask in this round: the next one begins when the first of them may be asked again. */
function nextRound(record: SubscriptionRecord, context: TransitionContext): Transition {
  const hubs = hubsToRequest({ ...record, passedOver: [] }, context);
  const begun = { ...record, passedOver: record.passedOver.filter((hub) => !hubs.includes(hub)) };
  const waits = hubs.flatMap((hub) => readyAt(record, hub, context) ?? []);
  if (waits.length === 0) return retryLater(begun, context);
  return unchanged({ ...begun, nextAttemptAt: Math.max(context.now, Math.min(...waits)) });
}

/** The advertised hubs that may be asked in this round, in their order. */
export function remainingHubs(record: SubscriptionRecord): readonly string[] {
  const silent = silentHubs(record);
  return record.hubs.filter((hub) => !record.passedOver.includes(hub) && !silent.includes(hub));
}

/** Those of them where nothing works that is renewed by its own schedule. */
export function hubsToRequest(record: SubscriptionRecord, context: TransitionContext): readonly string[] {
  return remainingHubs(record).filter((hub) => {
    const known = reusableGrantAt(record, hub, context);
    return known === undefined || !isWorking(known);
  });
}

/**
 * A hub is not to be asked now: the next advertised one is. Where there is none in this round, the first of them that may be
 * asked again is waited for.
 */
export function failOver(record: SubscriptionRecord, hub: string, context: TransitionContext): Transition {
  const { now, random } = context;
  const passed = { ...record, passedOver: [...new Set([...record.passedOver, hub])] };
  if (hubsToRequest(passed, context).length === 0) return nextRound(passed, context);
  const further = passed.passedOver.length - IMMEDIATE_FAILOVERS;
  if (further > 0) {
    // A long list of hubs that refuse is not gone through in one go: the publisher may have written anything into it.
    return unchanged({ ...passed, nextAttemptAt: now + retryWaitMs(further, random, HUB_UNREACHABLE) });
  }
  return requestFromNextHub(passed, context);
}

/** Asks every advertised hub that neither grants it nor is being asked; each is asked again by its own schedule. */
function requestFromAllHubs(record: SubscriptionRecord, context: TransitionContext): Transition {
  let current = unchanged(record);
  for (const hub of record.hubs) {
    current = andThen(current, (reached) => {
      const known = reusableGrantAt(reached, hub, context);
      const isHere = (grant: GrantRecord): boolean => grant.advertisedHub === hub && isCurrent(reached, grant, context);
      if (reached.grants.some((grant) => isHere(grant) && isLiveOrRequested(grant, context.now)))
        return unchanged(reached);
      const notBefore = readyAt(reached, hub, context);
      if (notBefore === undefined || notBefore <= context.now) return requestFromHub(reached, hub, context);
      // A grant that is over has no schedule of its own.
      if (known !== undefined && !isOver(known))
        return unchanged(withGrant(reached, known.id, (grant) => ({ ...grant, nextAttemptAt: notBefore })));
      return unchanged({ ...reached, nextAttemptAt: Math.min(reached.nextAttemptAt ?? Infinity, notBefore) });
    });
  }
  return current;
}

/**
 * Renewals that came due are asked for. What has moved is renewed where it was only if it cannot be had at its new place,
 * and left where it is had there already.
 */
export function requestDueRenewals(record: SubscriptionRecord, context: TransitionContext): Transition {
  const { now, rules } = context;
  let current = unchanged(record);
  for (const { id } of record.grants.filter(isRenewalDue)) {
    current = andThen(current, (reached) => {
      const grant = reached.grants.find((each) => each.id === id);
      if (grant === undefined || !isWorking(grant)) return unchanged(reached);
      const isElsewhere = !isCurrent(reached, grant, context);
      if (isElsewhere && isFullyGranted(reached, context)) {
        const unsubscribing = withGrant(reached, id, () => unsubscribingGrant(grant, now, true));
        return { record: unsubscribing, effects: [{ type: 'request', grantId: id, mode: 'unsubscribe' }] };
      }
      const isMoving = isElsewhere && isFirstAttempt(reached, context);
      const isRotating = !isElsewhere && rules.rotateCallback === 'renewal' && hasNotFailed(grant);
      if (isRotating && canRequestFreshGrant(reached, grant, context))
        return startCallbackRotation(reached, grant, context);
      if (!isMoving)
        return startRequest(withFreshSecret(withAdvertisedHub(reached, grant), grant, context), id, 'subscribe', now);
      const guard = inFlightGuard(now + verifyTimeoutMs(rules.verifyTimeoutSeconds, grant.leaseSeconds));
      return unchanged(withGrant(reached, id, (one) => ({ ...one, renewalDue: undefined, ...guard })));
    });
  }
  return current;
}

/** Whether this is the first try of a renewal: further ones ask for no more than the hub granted before. */
function hasNotFailed({ attempts, refusals = 0 }: GrantRecord): boolean {
  return attempts + refusals === 0;
}

/** `rotateSecret: 'renewal'`: the first request of each renewal carries another secret, further ones repeat it. */
function withFreshSecret(
  record: SubscriptionRecord,
  known: GrantRecord,
  { rules }: TransitionContext,
): SubscriptionRecord {
  if (rules.rotateSecret !== 'renewal' || !hasNotFailed(known)) return record;
  return withGrant(record, known.id, (grant) => ({ ...grant, freshSecret: true }));
}

/** Whether a present grant is being asked for, and nothing speaks against it yet. */
function isFirstAttempt(record: SubscriptionRecord, context: TransitionContext): boolean {
  // With several hubs, a success at one of them says nothing of the others.
  if (context.rules.hubs === 'failover' && record.attempts > 0) return false;
  const isBegun = (grant: GrantRecord): boolean =>
    hasNotFailed(grant) && grant.deferredUntil === undefined && (grant.pending ?? grant.nextAttemptAt) !== undefined;
  return record.grants.some((grant) => isCurrent(record, grant, context) && isBegun(grant));
}

function isRenewalDue({ renewalDue }: GrantRecord): boolean {
  return renewalDue === true;
}

/** Where a hub moved to, or its https form, does not answer: it is looked for again where the publisher says it is. */
function withAdvertisedHub(
  record: SubscriptionRecord,
  { id, attempts, advertisedHub }: GrantRecord,
): SubscriptionRecord {
  if (attempts < FAILOVER_AFTER) return record;
  return withGrant(record, id, (grant) => ({ ...grant, hub: advertisedHub, hubSettled: false }));
}

function moveHooks(
  before: SubscriptionRecord,
  after: SubscriptionRecord,
  context: TransitionContext,
): readonly Effect[] {
  const moved = before.grants.find(
    (grant) => isWorking(grant) && isCurrent(before, grant, context) && !isCurrent(after, grant, context),
  );
  if (moved === undefined) return [];
  const name = moved.topic === after.topic ? 'hub-moved' : 'topic-moved';
  return [{ type: 'hook', name, grantId: moved.id }];
}

function requestFromHub(record: SubscriptionRecord, hub: string, context: TransitionContext): Transition {
  const known = reusableGrantAt(record, hub, context);
  const latestAtPath = record.grants.findLast(({ path }) => path === known?.path);
  if (known === undefined || latestAtPath !== known) return requestFreshGrant(record, hub, context);
  const again = withGrant(record, known.id, (grant) => ({
    ...grant,
    state: isOver(grant) ? 'requested' : grant.state,
    callback: context.callbackOf(grant.path),
    endedAt: undefined,
  }));
  return startRequest(withAdvertisedHub(again, known), known.id, 'subscribe', context.now);
}

/** The hub is asked to deliver to another callback; should it not verify that in time, the grant is renewed as it is. */
function startCallbackRotation(record: SubscriptionRecord, grant: GrantRecord, context: TransitionContext): Transition {
  const { now, rules } = context;
  const guard = inFlightGuard(now + verifyTimeoutMs(rules.verifyTimeoutSeconds, grant.leaseSeconds));
  const waiting = withGrant(record, grant.id, (one) => ({ ...one, renewalDue: undefined, ...guard, attempts: 0 }));
  return requestFreshGrant(waiting, grant.advertisedHub, context, grant);
}

function withoutSchedule(grant: GrantRecord): GrantRecord {
  return isLive(grant) || grant.nextAttemptAt === undefined ? grant : { ...grant, nextAttemptAt: undefined };
}

function retryLater(record: SubscriptionRecord, { now, random }: TransitionContext, notBefore = 0): Transition {
  const nextAttemptAt = Math.max(now + retryWaitMs(record.attempts, random, HUB_UNREACHABLE), notBefore);
  return unchanged({ ...record, nextAttemptAt });
}
