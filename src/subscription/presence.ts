import { FAILOVER_AFTER } from './backoff.js';
import type { TransitionContext } from './events.js';
import type { GrantRecord, SubscriptionRecord } from './record.js';
import { isAsked, isHeld, isWorking } from './state.js';

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

/** Whether a working grant's hub did not renew it time and again, or refused to. */
export function isTired({ passedOver }: SubscriptionRecord, { attempts, advertisedHub }: GrantRecord): boolean {
  return attempts >= FAILOVER_AFTER || passedOver.includes(advertisedHub);
}

/** Whether what is wanted is there, under way, or about to be tried again, so that no hub need be asked. */
export function isServed(record: SubscriptionRecord, here: Here): boolean {
  const present = record.grants.filter((grant) => isPresent(record, grant, here));
  if (here.rules.hubs === 'failover') {
    return present.some((grant) => (isHeld(grant) ? isLasting(record, grant) : isUnderWay(grant, here.now)));
  }
  const hubs = hubsWanted(record);
  return (
    hubs.length > 0 &&
    hubs.every((hub) => present.some((grant) => grant.advertisedHub === hub && isTaken(grant, here.now)))
  );
}

/** Whether all that is wanted works, and is likely to go on. */
export function isHad(record: SubscriptionRecord, here: Here): boolean {
  const working = record.grants.filter((grant) => isWorking(grant) && isPresent(record, grant, here));
  const fresh = working.filter((grant) => !isTired(record, grant));
  if (here.rules.hubs === 'failover') return fresh.length > 0;
  const hubs = hubsWanted(record);
  return hubs.length > 0 && hubs.every((hub) => fresh.some(({ advertisedHub }) => advertisedHub === hub));
}

/** Whether nothing is to be asked on behalf of a present grant: it works, or is being asked for. */
export function isTaken(grant: GrantRecord, now: number): boolean {
  return isHeld(grant) || isUnderWay(grant, now);
}

/** Whether what is held will do: it is being ended or renewed, or its hub is not known to refuse that. */
function isLasting(record: SubscriptionRecord, grant: GrantRecord): boolean {
  return grant.state === 'unsubscribing' || isAsked(grant) || !isTired(record, grant);
}

/** The advertised hubs that have not denied (PROTOCOL N2). */
export function hubsWanted({ hubs, deniedBy }: SubscriptionRecord): readonly string[] {
  return hubs.filter((hub) => !deniedBy.includes(hub));
}

/** Whether a grant's hub denied the same topic at another callback: it is not to be asked for it at this one either (PROTOCOL N2). */
export function isBarred({ grants, deniedBy }: SubscriptionRecord, { advertisedHub, topic }: GrantRecord): boolean {
  const isSame = (other: GrantRecord): boolean => other.advertisedHub === advertisedHub && other.topic === topic;
  return deniedBy.includes(advertisedHub) && grants.some((other) => other.state === 'denied' && isSame(other));
}

/** Whether its hub is being asked, or will be when it has been left alone for long enough. */
function isUnderWay(grant: GrantRecord, now: number): boolean {
  if (isAsked(grant)) return true;
  const { state, attempts, nextAttemptAt = 0 } = grant;
  return (state === 'failed' || state === 'expired') && attempts > 0 && nextAttemptAt > now;
}
