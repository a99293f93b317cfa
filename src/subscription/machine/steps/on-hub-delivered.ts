import { unchanged, withGrant } from '../changes.js';
import type { SubscriptionEvent, Transition, TransitionContext } from '../events.js';
import type { GrantRecord, SubscriptionRecord } from '../../record/record.js';
import { hasUnsolicitedDenial } from '../state.js';

type EventOf<Type extends SubscriptionEvent['type']> = Extract<SubscriptionEvent, { type: Type }>;

/** The answer to a denial has left. */
export function onDenialAnswered(record: SubscriptionRecord, { grantId }: EventOf<'denial-answered'>): Transition {
  const grant = record.grants.find(({ id }) => id === grantId);
  if (grant === undefined || !hasUnsolicitedDenial(grant) || grant.denialAnswered === true) return unchanged(record);
  return unchanged(withGrant(record, grantId, () => ({ ...grant, denialAnswered: true })));
}

/** The hub delivers. If it was signed, it was not the hub that denied; it is asked all the same, as was planned. */
export function onHubDelivered(
  record: SubscriptionRecord,
  { grantId, isSigned }: EventOf<'hub-delivered'>,
  { now }: TransitionContext,
): Transition {
  const grant = record.grants.find(({ id }) => id === grantId);
  if (grant === undefined || !isHubRecovery(grant, isSigned)) return unchanged(record);
  const reached = isDenialRefuted(grant, isSigned) ? withoutDenial(grant, now) : grant;
  return unchanged(withGrant(record, grantId, () => ({ ...reached, silentAt: undefined })));
}

/** Whether genuine content of a grant says anything about its hub that is not known. */
export function isHubRecovery(grant: GrantRecord, isSigned: boolean): boolean {
  return grant.silentAt !== undefined || isDenialRefuted(grant, isSigned);
}

function isDenialRefuted({ denialAnswered, state }: GrantRecord, isSigned: boolean): boolean {
  return isSigned && denialAnswered === true && state === 'active';
}

/** The grant as it was before an unasked denial: its hub is left alone for as long as it was to be. */
export function withoutDenial(grant: GrantRecord, now: number): GrantRecord {
  const { nextAttemptAt, notBefore = 0, refusals = 0 } = grant;
  const hasPostponedAttempt = hasUnsolicitedDenial(grant) && nextAttemptAt === undefined && notBefore > now;
  return {
    ...grant,
    deniedAt: undefined,
    deniedUnsolicited: undefined,
    denialAnswered: undefined,
    nextAttemptAt: hasPostponedAttempt ? notBefore : nextAttemptAt,
    // The wait after a failure ends with the lease, the one after a refusal with the lease or a grant.
    notBefore: hasPostponedAttempt && refusals === 0 ? undefined : grant.notBefore,
  };
}
