import { unchanged, withGrant } from '../changes.js';
import type { SubscriptionEvent, Transition, TransitionContext } from '../events.js';
import type { GrantRecord, SubscriptionRecord } from '../../record/record.js';
import { isDeniedUnasked } from '../state.js';

type Of<Type extends SubscriptionEvent['type']> = Extract<SubscriptionEvent, { type: Type }>;

/** The answer to a denial has left. */
export function denialAnswered(record: SubscriptionRecord, { grantId }: Of<'denial-answered'>): Transition {
  const grant = record.grants.find(({ id }) => id === grantId);
  if (grant === undefined || !isDeniedUnasked(grant) || grant.denialAnswered === true) return unchanged(record);
  return unchanged(withGrant(record, grantId, () => ({ ...grant, denialAnswered: true })));
}

/** The hub delivers. If it was signed, it was not the hub that denied; it is asked all the same, as was planned. */
export function delivers(
  record: SubscriptionRecord,
  { grantId, isSigned }: Of<'delivers'>,
  { now }: TransitionContext,
): Transition {
  const grant = record.grants.find(({ id }) => id === grantId);
  if (grant === undefined || !isNews(grant, isSigned)) return unchanged(record);
  const heard = isDenialRefuted(grant, isSigned) ? undenied(grant, now) : grant;
  return unchanged(withGrant(record, grantId, () => ({ ...heard, silentAt: undefined })));
}

/** Whether genuine content of a grant says anything about its hub that is not known. */
export function isNews(grant: GrantRecord, isSigned: boolean): boolean {
  return grant.silentAt !== undefined || isDenialRefuted(grant, isSigned);
}

function isDenialRefuted({ denialAnswered, state }: GrantRecord, isSigned: boolean): boolean {
  return isSigned && denialAnswered === true && state === 'active';
}

/** The grant as it was before an unasked denial: its hub is left alone for as long as it was to be. */
export function undenied(grant: GrantRecord, now: number): GrantRecord {
  const { nextAttemptAt, notBefore = 0, refusals = 0 } = grant;
  const isPutOff = isDeniedUnasked(grant) && nextAttemptAt === undefined && notBefore > now;
  return {
    ...grant,
    deniedAt: undefined,
    deniedUnasked: undefined,
    denialAnswered: undefined,
    nextAttemptAt: isPutOff ? notBefore : nextAttemptAt,
    // The wait after a failure ends with the lease, the one after a refusal with the lease or a grant.
    notBefore: isPutOff && refusals === 0 ? undefined : grant.notBefore,
  };
}
