import { SubscriptionInitiationError } from '../../errors.js';
import type { GrantRecord } from '../record/record.js';
import type { RequestPolicy } from '../request-policy.js';

type VerifyPolicy = Pick<RequestPolicy, 'protocol' | 'customParams'>;

/** The `hub.verify` of a request. `async` if the grant's hub last accepted that form (PROTOCOL S3), else none. */
export function rememberedVerifyForm({ verifyForm }: GrantRecord, policy: VerifyPolicy): 'async' | undefined {
  return verifyForm === 'async' && canAddVerify(policy) ? 'async' : undefined;
}

/**
 * Whether to repeat a failed subscribe request with `hub.verify=async`: the hub answered 400, and has never accepted a
 * request of this grant.
 *
 * Quirk(PuSHPress): answers 400 to a request without `hub.verify`. We repeat the request at once with
 * `hub.verify=async` (PROTOCOL S3).
 */
export function shouldRetryWithVerify(error: unknown, grant: GrantRecord, policy: VerifyPolicy): boolean {
  if (!(error instanceof SubscriptionInitiationError) || error.status !== 400 || !canAddVerify(policy)) return false;
  // Records of earlier versions lack `verifyForm`, so other fields tell whether a request was accepted.
  return grant.verifyForm === undefined && !grant.hasHubAccepted && grant.verifiedAt === undefined;
}

/** Whether `hub.verify` is free: neither the protocol nor the user's parameters set it. */
function canAddVerify({ protocol, customParams }: VerifyPolicy): boolean {
  return protocol === 'websub' && !Object.hasOwn(customParams, 'hub.verify');
}
