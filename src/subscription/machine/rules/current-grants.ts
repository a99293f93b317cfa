import { FAILOVER_AFTER } from '../../retry-policy.js';
import type { TransitionContext } from '../transition-types.js';
import type { GrantRecord, SubscriptionRecord } from '../../record/record.js';
import { hasPendingSubscribe, hasUnsolicitedDenial, isLive, hasDenialCheck, isWorking } from '../state.js';

type CallbackContext = Pick<TransitionContext, 'callbackOf'>;
type GrantContext = Pick<TransitionContext, 'callbackOf' | 'now' | 'rules'>;

/**
 * Whether a grant matches a request made now: an advertised hub, the advertised topic and a callback of ours (PROTOCOL
 * D10, L6). A grant that is not current still works until a current grant replaces it.
 */
export function isCurrent(record: SubscriptionRecord, grant: GrantRecord, { callbackOf }: CallbackContext): boolean {
  return (
    grant.superseded !== true &&
    grant.topic === record.topic &&
    record.hubs.includes(grant.advertisedHub) &&
    grant.callback === callbackOf(grant.path)
  );
}

/** Whether a working grant's hub failed several renewals in a row, was passed over, or does not deliver. */
export function isUnreliable(record: SubscriptionRecord, { attempts, advertisedHub }: GrantRecord): boolean {
  const isSkipped = record.passedOver.includes(advertisedHub) || silentHubs(record).includes(advertisedHub);
  return attempts >= FAILOVER_AFTER || isSkipped;
}

/** Advertised hubs to skip because they do not deliver. Empty if every advertised hub is silent. */
export function silentHubs({ hubs, silent = [] }: SubscriptionRecord): readonly string[] {
  const silentOnes = hubs.filter((hub) => silent.some((each) => each.hub === hub));
  return silentOnes.length === hubs.length ? [] : silentOnes;
}

/** Forgets silent hubs whose skip time is over. */
export function withoutExpiredSilence(record: SubscriptionRecord, now: number): SubscriptionRecord {
  const silent = record.silent?.filter(({ until }) => until > now);
  if (silent === undefined || silent.length === record.silent?.length) return record;
  return { ...record, silent: silent.length === 0 ? undefined : silent };
}

/** Whether no further request is needed: the subscription works, is requested, or has a retry scheduled. */
export function isSatisfied(record: SubscriptionRecord, context: GrantContext): boolean {
  const current = record.grants.filter((grant) => isCurrent(record, grant, context));
  if (context.rules.hubs === 'failover') {
    return current.some((grant) =>
      isLive(grant) && !hasUnsolicitedDenial(grant)
        ? isExpectedToLast(record, grant)
        : isRequestInProgress(grant, context.now),
    );
  }
  const { hubs } = record;
  return (
    hubs.length > 0 &&
    hubs.every((hub) => current.some((grant) => grant.advertisedHub === hub && isLiveOrRequested(grant, context.now)))
  );
}

/**
 * Whether reliable hubs grant the subscription: one, or all with `hubs: 'all'`. Verifications that may be forged do not
 * count.
 */
export function isFullyGranted(record: SubscriptionRecord, context: GrantContext): boolean {
  const working = record.grants.filter((grant) => isWorking(grant) && isCurrent(record, grant, context));
  // After another request, the hub has to verify again: an undone unsubscribe may have ended the grant.
  const isGranted = ({ requestedAt = 0, grantedAt = 0, provisional }: GrantRecord): boolean =>
    provisional !== true && grantedAt >= requestedAt;
  const reliable = working.filter((grant) => isGranted(grant) && !isUnreliable(record, grant));
  if (context.rules.hubs === 'failover') return reliable.length > 0;
  const { hubs } = record;
  return hubs.length > 0 && hubs.every((hub) => reliable.some(({ advertisedHub }) => advertisedHub === hub));
}

/** Whether a current grant needs no request: it is live, or a request is in progress. */
export function isLiveOrRequested(grant: GrantRecord, now: number): boolean {
  return (isLive(grant) && !hasUnsolicitedDenial(grant)) || isRequestInProgress(grant, now);
}

/** Whether a live grant needs no other hub: the grant is being unsubscribed or renewed, or its hub is reliable. */
function isExpectedToLast(record: SubscriptionRecord, grant: GrantRecord): boolean {
  return grant.state === 'unsubscribing' || hasPendingSubscribe(grant) || !isUnreliable(record, grant);
}

/** Whether the grant's hub is requested now, or will be after a wait. */
function isRequestInProgress(grant: GrantRecord, now: number): boolean {
  // A denied request stays open, and other hubs may be tried meanwhile.
  if (hasPendingSubscribe(grant)) return grant.pending?.denied !== true;
  if (hasDenialCheck(grant)) return true;
  const { state, attempts, refusals = 0, nextAttemptAt = 0 } = grant;
  return (state === 'failed' || state === 'expired') && attempts + refusals > 0 && nextAttemptAt > now;
}
