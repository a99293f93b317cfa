import { withoutEffects, withGrant } from '../record-changes.js';
import type { InputOf, Transition, TransitionContext } from '../transition-types.js';
import type { GrantRecord, SubscriptionRecord } from '../../record/record.js';
import { hasUnsolicitedDenial } from '../state.js';

/** The answer to a denial was sent. */
export function onDenialAnswered(record: SubscriptionRecord, { grantId }: InputOf<'denial-answered'>): Transition {
  const grant = record.grants.find(({ id }) => id === grantId);
  if (grant === undefined || !hasUnsolicitedDenial(grant) || grant.denialAnswered === true)
    return withoutEffects(record);
  return withoutEffects(withGrant(record, grantId, () => ({ ...grant, denialAnswered: true })));
}

/** The hub delivers. Signed content proves that the hub did not deny. A planned request is still sent. */
export function onHubDelivered(
  record: SubscriptionRecord,
  { grantId, isSigned }: InputOf<'hub-delivered'>,
  { now }: TransitionContext,
): Transition {
  const grant = record.grants.find(({ id }) => id === grantId);
  if (grant === undefined || !isHubRecovery(grant, isSigned)) return withoutEffects(record);
  const updated = isDenialRefuted(grant, isSigned) ? withoutDenial(grant, now) : grant;
  return withoutEffects(withGrant(record, grantId, () => ({ ...updated, silentAt: undefined })));
}

/** Whether genuine content changes the grant: the hub was silent, or the content refutes a denial. */
export function isHubRecovery(grant: GrantRecord, isSigned: boolean): boolean {
  return grant.silentAt !== undefined || isDenialRefuted(grant, isSigned);
}

function isDenialRefuted({ denialAnswered, state }: GrantRecord, isSigned: boolean): boolean {
  return isSigned && denialAnswered === true && state === 'active';
}

/** The grant without its unsolicited denial. The hub keeps its earlier wait. */
export function withoutDenial(grant: GrantRecord, now: number): GrantRecord {
  const { nextAttemptAt, notBefore = 0, refusals = 0 } = grant;
  const hasPostponedAttempt = hasUnsolicitedDenial(grant) && nextAttemptAt === undefined && notBefore > now;
  return {
    ...grant,
    deniedAt: undefined,
    deniedUnsolicited: undefined,
    denialAnswered: undefined,
    nextAttemptAt: hasPostponedAttempt ? notBefore : nextAttemptAt,
    // A wait after a failure must end with the lease, so the wait moves to `nextAttemptAt`. A wait after a refusal
    // stays.
    notBefore: hasPostponedAttempt && refusals === 0 ? undefined : grant.notBefore,
  };
}
