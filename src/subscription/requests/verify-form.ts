import { SubscriptionInitiationError } from '../../errors.js';
import type { GrantRecord } from '../record/record.js';
import type { RequestPolicy } from '../request-policy.js';

type VerifyPolicy = Pick<RequestPolicy, 'protocol' | 'customParams'>;

/** Whether `hub.verify=async` is in a request's form, as its hub once took none without (PROTOCOL S3). */
export function rememberedVerifyForm({ verifyForm }: GrantRecord, policy: VerifyPolicy): 'async' | undefined {
  return verifyForm === 'async' && canAddVerify(policy) ? 'async' : undefined;
}

/**
 * Whether a failed subscribe request is to be made once more with `hub.verify=async`: it was answered 400, and no request
 * of the grant was ever accepted.
 *
 * Quirk(PuSHPress): answers 400 to a request without `hub.verify`. We repeat it at once with `hub.verify=async` (PROTOCOL S3).
 */
export function shouldRetryWithVerify(error: unknown, grant: GrantRecord, policy: VerifyPolicy): boolean {
  if (!(error instanceof SubscriptionInitiationError) || error.status !== 400 || !canAddVerify(policy)) return false;
  // Records of earlier versions do not tell the form.
  return grant.verifyForm === undefined && !grant.hubSettled && grant.verifiedAt === undefined;
}

/** Whether neither the protocol nor the user says what stands in `hub.verify`. */
function canAddVerify({ protocol, customParams }: VerifyPolicy): boolean {
  return protocol === 'websub' && !Object.hasOwn(customParams, 'hub.verify');
}
