import { FAILOVER_AFTER } from '../../retry-policy.js';
import type { TransitionContext } from '../events.js';
import type { GrantRecord, SubscriptionRecord } from '../../record/record.js';
import { hasPendingSubscribe, hasUnsolicitedDenial, isLive, hasDenialCheck, isWorking } from '../state.js';

type CallbackContext = Pick<TransitionContext, 'callbackOf'>;
type GrantContext = Pick<TransitionContext, 'callbackOf' | 'now' | 'rules'>;

/**
 * Whether a grant is what would be asked for today: at a hub that is advertised, for the topic as it is named, under a
 * callback of ours (PROTOCOL D10, L6). One that is not goes on working until one that is has taken its place.
 */
export function isCurrent(record: SubscriptionRecord, grant: GrantRecord, { callbackOf }: CallbackContext): boolean {
  return (
    grant.superseded !== true &&
    grant.topic === record.topic &&
    record.hubs.includes(grant.advertisedHub) &&
    grant.callback === callbackOf(grant.path)
  );
}

/** Whether a working grant's hub did not renew it time and again, refused to, or does not deliver. */
export function isUnreliable(record: SubscriptionRecord, { attempts, advertisedHub }: GrantRecord): boolean {
  const isSkipped = record.passedOver.includes(advertisedHub) || silentHubs(record).includes(advertisedHub);
  return attempts >= FAILOVER_AFTER || isSkipped;
}

/** Advertised hubs that others are used instead of because they do not deliver; none where that holds for all of them. */
export function silentHubs({ hubs, silent = [] }: SubscriptionRecord): readonly string[] {
  const silentOnes = hubs.filter((hub) => silent.some((each) => each.hub === hub));
  return silentOnes.length === hubs.length ? [] : silentOnes;
}

/** The record without hubs that may be used again. */
export function withoutExpiredSilence(record: SubscriptionRecord, now: number): SubscriptionRecord {
  const silent = record.silent?.filter(({ until }) => until > now);
  if (silent === undefined || silent.length === record.silent?.length) return record;
  return { ...record, silent: silent.length === 0 ? undefined : silent };
}

/** Whether what is wanted is there, under way, or about to be tried again, so that no hub need be asked. */
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

/** Whether all that is wanted was granted and is likely to go on: verifications that may be forged do not count. */
export function isFullyGranted(record: SubscriptionRecord, context: GrantContext): boolean {
  const working = record.grants.filter((grant) => isWorking(grant) && isCurrent(record, grant, context));
  // A hub that was asked again has to verify again: an unsubscription that was taken back may have ended the grant.
  const isGranted = ({ requestedAt: askedAt = 0, grantedAt = 0, provisional }: GrantRecord): boolean =>
    provisional !== true && grantedAt >= askedAt;
  const reliable = working.filter((grant) => isGranted(grant) && !isUnreliable(record, grant));
  if (context.rules.hubs === 'failover') return reliable.length > 0;
  const { hubs } = record;
  return hubs.length > 0 && hubs.every((hub) => reliable.some(({ advertisedHub }) => advertisedHub === hub));
}

/** Whether nothing is to be asked on behalf of a present grant: it works, or is being asked for. */
export function isLiveOrRequested(grant: GrantRecord, now: number): boolean {
  return (isLive(grant) && !hasUnsolicitedDenial(grant)) || isRequestInProgress(grant, now);
}

/** Whether what is held will do: it is being ended or renewed, or its hub is not known to refuse that. */
function isExpectedToLast(record: SubscriptionRecord, grant: GrantRecord): boolean {
  return grant.state === 'unsubscribing' || hasPendingSubscribe(grant) || !isUnreliable(record, grant);
}

/** Whether its hub is being asked, or will be when it has been left alone for long enough. */
function isRequestInProgress(grant: GrantRecord, now: number): boolean {
  // A denied request stays open, and other hubs may be asked meanwhile.
  if (hasPendingSubscribe(grant)) return grant.pending?.denied !== true;
  if (hasDenialCheck(grant)) return true;
  const { state, attempts, refusals = 0, nextAttemptAt = 0 } = grant;
  return (state === 'failed' || state === 'expired') && attempts + refusals > 0 && nextAttemptAt > now;
}
