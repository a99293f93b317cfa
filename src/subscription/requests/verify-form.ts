import { SubscriptionInitiationError } from '../../errors.js';
import type { GrantRecord } from '../record/record.js';
import type { ServiceTerms } from '../request-policy.js';

type Terms = Pick<ServiceTerms, 'protocol' | 'customParams'>;

/** Whether `hub.verify=async` is in a request's form, as its hub once took none without (PROTOCOL S3). */
export function rememberedForm({ verifyForm }: GrantRecord, terms: Terms): 'async' | undefined {
  return verifyForm === 'async' && mayAdd(terms) ? 'async' : undefined;
}

/**
 * Whether a failed subscribe request is to be made once more with `hub.verify=async`: it was answered 400, and no request
 * of the grant was ever accepted.
 *
 * Quirk(PuSHPress): answers 400 to a request without `hub.verify`. We repeat it at once with `hub.verify=async` (PROTOCOL S3).
 */
export function wantsVerify(error: unknown, grant: GrantRecord, terms: Terms): boolean {
  if (!(error instanceof SubscriptionInitiationError) || error.status !== 400 || !mayAdd(terms)) return false;
  // Records of earlier versions do not tell the form.
  return grant.verifyForm === undefined && !grant.hubSettled && grant.verifiedAt === undefined;
}

/** Whether neither the protocol nor the user says what stands in `hub.verify`. */
function mayAdd({ protocol, customParams }: Terms): boolean {
  return protocol === 'websub' && !Object.hasOwn(customParams, 'hub.verify');
}
