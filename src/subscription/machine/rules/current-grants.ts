import { FAILOVER_AFTER } from '../../retry-policy.js';
import type { TransitionContext } from '../events.js';
import type { GrantRecord, SubscriptionRecord } from '../../record/record.js';
import { isAsked, isDeniedUnasked, isHeld, isQuestioned, isWorking } from '../state.js';

type Place = Pick<TransitionContext, 'callbackOf'>;
type Here = Pick<TransitionContext, 'callbackOf' | 'now' | 'rules'>;

/**
 * Whether a grant is what would be asked for today: at a hub that is advertised, for the topic as it is named, under a
 * callback of ours (PROTOCOL D10, L6). One that is not goes on working until one that is has taken its place.
 */
export function isPresent(record: SubscriptionRecord, grant: GrantRecord, { callbackOf }: Place): boolean {
  return (
    grant.superseded !== true &&
    grant.topic === record.topic &&
    record.hubs.includes(grant.advertisedHub) &&
    grant.callback === callbackOf(grant.path)
  );
}

/** Whether a working grant's hub did not renew it time and again, refused to, or does not deliver. */
export function isTired(record: SubscriptionRecord, { attempts, advertisedHub }: GrantRecord): boolean {
  const isPassedOver = record.passedOver.includes(advertisedHub) || silentHubs(record).includes(advertisedHub);
  return attempts >= FAILOVER_AFTER || isPassedOver;
}

/** Advertised hubs that others are used instead of because they do not deliver; none where that holds for all of them. */
export function silentHubs({ hubs, silent = [] }: SubscriptionRecord): readonly string[] {
  const found = hubs.filter((hub) => silent.some((each) => each.hub === hub));
  return found.length === hubs.length ? [] : found;
}

/** The record without hubs that may be used again. */
export function withoutPastSilence(record: SubscriptionRecord, now: number): SubscriptionRecord {
  const silent = record.silent?.filter(({ until }) => until > now);
  if (silent === undefined || silent.length === record.silent?.length) return record;
  return { ...record, silent: silent.length === 0 ? undefined : silent };
}

/** Whether what is wanted is there, under way, or about to be tried again, so that no hub need be asked. */
export function isServed(record: SubscriptionRecord, here: Here): boolean {
  const present = record.grants.filter((grant) => isPresent(record, grant, here));
  if (here.rules.hubs === 'failover') {
    return present.some((grant) =>
      isHeld(grant) && !isDeniedUnasked(grant) ? isLasting(record, grant) : isUnderWay(grant, here.now),
    );
  }
  const { hubs } = record;
  return (
    hubs.length > 0 &&
    hubs.every((hub) => present.some((grant) => grant.advertisedHub === hub && isTaken(grant, here.now)))
  );
}

/** Whether all that is wanted was granted and is likely to go on: verifications that may be forged do not count. */
export function isHad(record: SubscriptionRecord, here: Here): boolean {
  const working = record.grants.filter((grant) => isWorking(grant) && isPresent(record, grant, here));
  // A hub that was asked again has to verify again: an unsubscription that was taken back may have ended the grant.
  const isGranted = ({ askedAt = 0, grantedAt = 0, provisional }: GrantRecord): boolean =>
    provisional !== true && grantedAt >= askedAt;
  const fresh = working.filter((grant) => isGranted(grant) && !isTired(record, grant));
  if (here.rules.hubs === 'failover') return fresh.length > 0;
  const { hubs } = record;
  return hubs.length > 0 && hubs.every((hub) => fresh.some(({ advertisedHub }) => advertisedHub === hub));
}

/** Whether nothing is to be asked on behalf of a present grant: it works, or is being asked for. */
export function isTaken(grant: GrantRecord, now: number): boolean {
  return (isHeld(grant) && !isDeniedUnasked(grant)) || isUnderWay(grant, now);
}

/** Whether what is held will do: it is being ended or renewed, or its hub is not known to refuse that. */
function isLasting(record: SubscriptionRecord, grant: GrantRecord): boolean {
  return grant.state === 'unsubscribing' || isAsked(grant) || !isTired(record, grant);
}

/** Whether its hub is being asked, or will be when it has been left alone for long enough. */
function isUnderWay(grant: GrantRecord, now: number): boolean {
  // A denied request stays open, and other hubs may be asked meanwhile.
  if (isAsked(grant)) return grant.pending?.denied !== true;
  if (isQuestioned(grant)) return true;
  const { state, attempts, refusals = 0, nextAttemptAt = 0 } = grant;
  return (state === 'failed' || state === 'expired') && attempts + refusals > 0 && nextAttemptAt > now;
}
