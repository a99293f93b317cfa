import { requestFreshGrant, canRequestFreshGrant } from './fresh-grant.js';
import { FAILOVER_AFTER, IMMEDIATE_FAILOVERS, HUB_UNREACHABLE, retryWaitMs } from '../../retry-policy.js';
import { andThen, unsubscribingGrant, startRequest, withoutEffects, withGrant } from '../record-changes.js';
import type { Effect, InputOf, Transition, TransitionContext } from '../transition-types.js';
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
import type { GrantRecord, SubscriptionRecord } from '../../record/record.js';
import { cooldownOf } from '../rules/refusal-cooldown.js';
import { isEnabled, isLive, isOver, isWorking } from '../state.js';

/** The current discovery found a topic and hubs. */
export function onDiscovered(
  record: SubscriptionRecord,
  input: InputOf<'discovered'>,
  context: TransitionContext,
): Transition {
  if (record.currentDiscovery !== input.discoveryId) return withoutEffects(record);
  return applyDiscovery({ ...record, currentDiscovery: undefined }, input, context);
}

/** Stores the topic and hubs that discovery found. Requests missing grants and started renewals (PROTOCOL D10). */
export function applyDiscovery(
  record: SubscriptionRecord,
  { topic, hubs, feed }: Pick<InputOf<'discovered'>, 'topic' | 'hubs' | 'feed'>,
  context: TransitionContext,
): Transition {
  const updated = { ...withoutExpiredSilence(record, context.now), topic, hubs, feed, ...NOTHING_PLANNED };
  if (!isEnabled(updated)) return withoutEffects(updated);
  const withHooks = { record: updated, effects: moveHooks(record, updated, context) };
  return andThen(
    andThen(withHooks, (next) => requestMissing(next, context)),
    (next) => requestStartedRenewals(next, context),
  );
}

/** Requests the hubs that have not granted the subscription: one or all, by the `hubs` option. */
export function requestMissing(record: SubscriptionRecord, context: TransitionContext): Transition {
  if (!isEnabled(record) || isSatisfied(record, context)) return withoutEffects(record);
  return context.rules.hubs === 'all' ? requestFromAllHubs(record, context) : requestFromNextHub(record, context);
}

/**
 * Requests the next advertised hub that was not passed over in this round and has no wait. When the round is over, the
 * next round begins later.
 */
export function requestFromNextHub(record: SubscriptionRecord, context: TransitionContext): Transition {
  const { now, callbackReservedUntil } = context;
  if (callbackReservedUntil !== undefined) return withoutEffects({ ...record, nextAttemptAt: callbackReservedUntil });
  const hubs = hubsToRequest(record, context);
  // The remaining hubs have working grants, though unreliable ones. Working grants are renewed by their own schedule.
  if (hubs.length === 0 && remainingHubs(record).length > 0) return withoutEffects({ ...record, passedOver: [] });
  if (hubs.length === 0) return retryLater({ ...record, passedOver: [] }, context);
  const hub = hubs.find((each) => (readyAt(record, each, context) ?? now) <= now);
  if (hub === undefined) return nextRound(record, context);
  return requestFromHub({ ...record, grants: record.grants.map(withoutSchedule) }, hub, context);
}

/** When a hub may be requested again after its last answers (epoch milliseconds). Undefined if the hub has no wait. */
function readyAt(record: SubscriptionRecord, hub: string, context: TransitionContext): number | undefined {
  const { notBefore = 0 } = reusableGrantAt(record, hub, context) ?? {};
  const at = Math.max(notBefore, cooldownOf(record, { advertisedHub: hub, topic: record.topic ?? '' }, context).until);
  return at === 0 ? undefined : at;
}

/** Whether the wait of another hub ends before a time. Hubs without a wait do not count. */
export function isOtherHubSooner(
  record: SubscriptionRecord,
  hub: string,
  at: number,
  context: TransitionContext,
): boolean {
  return record.hubs.some((other) => other !== hub && (readyAt(record, other, context) ?? Infinity) < at);
}

/** No hub is left in this round. The next round begins when the first hub may be requested again. */
function nextRound(record: SubscriptionRecord, context: TransitionContext): Transition {
  const hubs = hubsToRequest({ ...record, passedOver: [] }, context);
  const begun = { ...record, passedOver: record.passedOver.filter((hub) => !hubs.includes(hub)) };
  const waits = hubs.flatMap((hub) => readyAt(record, hub, context) ?? []);
  if (waits.length === 0) return retryLater(begun, context);
  return withoutEffects({ ...begun, nextAttemptAt: Math.max(context.now, Math.min(...waits)) });
}

/** The advertised hubs that may be requested in this round, in document order. */
export function remainingHubs(record: SubscriptionRecord): readonly string[] {
  const silent = silentHubs(record);
  return record.hubs.filter((hub) => !record.passedOver.includes(hub) && !silent.includes(hub));
}

/** The remaining hubs without a working grant. A working grant is renewed by its own schedule. */
function hubsToRequest(record: SubscriptionRecord, context: TransitionContext): readonly string[] {
  return remainingHubs(record).filter((hub) => {
    const known = reusableGrantAt(record, hub, context);
    return known === undefined || !isWorking(known);
  });
}

/**
 * Passes a hub over and requests the next advertised one. If no hub is left in this round, waits until the first hub
 * may be requested again.
 */
export function failOver(record: SubscriptionRecord, hub: string, context: TransitionContext): Transition {
  const { now, random } = context;
  const passed = { ...record, passedOver: [...new Set([...record.passedOver, hub])] };
  if (hubsToRequest(passed, context).length === 0) return nextRound(passed, context);
  const further = passed.passedOver.length - IMMEDIATE_FAILOVERS;
  if (further > 0) {
    // A long list of refusing hubs is not tried all at once: the publisher may list any URLs.
    return withoutEffects({ ...passed, nextAttemptAt: now + retryWaitMs(further, random, HUB_UNREACHABLE) });
  }
  return requestFromNextHub(passed, context);
}

/**
 * Requests every advertised hub without a live grant or a request in progress. Each hub is retried by its own schedule.
 */
function requestFromAllHubs(record: SubscriptionRecord, context: TransitionContext): Transition {
  let current = withoutEffects(record);
  for (const hub of record.hubs) {
    current = andThen(current, (updated) => {
      const known = reusableGrantAt(updated, hub, context);
      const isHere = (grant: GrantRecord): boolean => grant.advertisedHub === hub && isCurrent(updated, grant, context);
      if (updated.grants.some((grant) => isHere(grant) && isLiveOrRequested(grant, context.now)))
        return withoutEffects(updated);
      const notBefore = readyAt(updated, hub, context);
      if (notBefore === undefined || notBefore <= context.now) return requestFromHub(updated, hub, context);
      // An ended grant has no schedule.
      if (known !== undefined && !isOver(known))
        return withoutEffects(withGrant(updated, known.id, (grant) => ({ ...grant, nextAttemptAt: notBefore })));
      return withoutEffects({ ...updated, nextAttemptAt: Math.min(updated.nextAttemptAt ?? Infinity, notBefore) });
    });
  }
  return current;
}

/**
 * Requests the renewals that have started. If the hub or topic has moved, the grant is unsubscribed once the new hub
 * has granted. The grant is renewed at the old hub only if the new request fails.
 */
export function requestStartedRenewals(record: SubscriptionRecord, context: TransitionContext): Transition {
  const { now, rules } = context;
  let current = withoutEffects(record);
  for (const { id } of record.grants.filter(hasStartedRenewal)) {
    current = andThen(current, (updated) => {
      const grant = updated.grants.find((each) => each.id === id);
      if (grant === undefined || !isWorking(grant)) return withoutEffects(updated);
      const isElsewhere = !isCurrent(updated, grant, context);
      if (isElsewhere && isFullyGranted(updated, context)) {
        const unsubscribing = withGrant(updated, id, () => unsubscribingGrant(grant, now, true));
        return { record: unsubscribing, effects: [{ type: 'request', grantId: id, mode: 'unsubscribe' }] };
      }
      const isMoving = isElsewhere && isFirstAttempt(updated, context);
      const isRotating = !isElsewhere && rules.rotateCallback === 'renewal' && hasNotFailed(grant);
      if (isRotating && canRequestFreshGrant(updated, grant, context))
        return startCallbackRotation(updated, grant, context);
      if (!isMoving)
        return startRequest(withFreshSecret(withAdvertisedHub(updated, grant), grant, context), id, 'subscribe', now);
      const guard = inFlightGuard(now + verifyTimeoutMs(rules.verifyTimeoutSeconds, grant.leaseSeconds));
      return withoutEffects(withGrant(updated, id, (one) => ({ ...one, isRenewalStarted: undefined, ...guard })));
    });
  }
  return current;
}

/** Whether this is the first try of a renewal. Further tries bring no new secret or callback. */
function hasNotFailed({ attempts, refusals = 0 }: GrantRecord): boolean {
  return attempts + refusals === 0;
}

/** `rotateSecret: 'renewal'`: the first request of each renewal carries a new secret. Retries repeat that secret. */
function withFreshSecret(
  record: SubscriptionRecord,
  known: GrantRecord,
  { rules }: TransitionContext,
): SubscriptionRecord {
  if (rules.rotateSecret !== 'renewal' || !hasNotFailed(known)) return record;
  return withGrant(record, known.id, (grant) => ({ ...grant, freshSecret: true }));
}

/** Whether a current grant is requested, and no attempt has failed yet. */
function isFirstAttempt(record: SubscriptionRecord, context: TransitionContext): boolean {
  // With several hubs, the subscription's `attempts` say nothing about a single hub.
  if (context.rules.hubs === 'failover' && record.attempts > 0) return false;
  const isBegun = (grant: GrantRecord): boolean =>
    hasNotFailed(grant) && grant.deferredUntil === undefined && (grant.pending ?? grant.nextAttemptAt) !== undefined;
  return record.grants.some((grant) => isCurrent(record, grant, context) && isBegun(grant));
}

export function hasStartedRenewal({ isRenewalStarted }: GrantRecord): boolean {
  return isRenewalStarted === true;
}

/** Falls back to the advertised URL when a moved hub, or the https form of its URL, does not answer. */
function withAdvertisedHub(
  record: SubscriptionRecord,
  { id, attempts, advertisedHub }: GrantRecord,
): SubscriptionRecord {
  if (attempts < FAILOVER_AFTER) return record;
  return withGrant(record, id, (grant) => ({ ...grant, hub: advertisedHub, hasHubAccepted: false }));
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

/** Requests delivery to another callback. The grant is renewed if the new callback is not verified in time. */
function startCallbackRotation(record: SubscriptionRecord, grant: GrantRecord, context: TransitionContext): Transition {
  const { now, rules } = context;
  const guard = inFlightGuard(now + verifyTimeoutMs(rules.verifyTimeoutSeconds, grant.leaseSeconds));
  const waiting = withGrant(record, grant.id, (one) => ({
    ...one,
    isRenewalStarted: undefined,
    ...guard,
    attempts: 0,
  }));
  return requestFreshGrant(waiting, grant.advertisedHub, context, grant);
}

function withoutSchedule(grant: GrantRecord): GrantRecord {
  return isLive(grant) || grant.nextAttemptAt === undefined ? grant : { ...grant, nextAttemptAt: undefined };
}

export function retryLater(record: SubscriptionRecord, { now, random }: TransitionContext, notBefore = 0): Transition {
  const nextAttemptAt = Math.max(now + retryWaitMs(record.attempts, random, HUB_UNREACHABLE), notBefore);
  return withoutEffects({ ...record, nextAttemptAt });
}
