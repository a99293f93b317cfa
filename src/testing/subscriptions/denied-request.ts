import { verifyIntent } from '../delivery/intent-verification.js';
import { deny } from '../delivery/notices.js';
import type { Delivery } from '../delivery/delivery.js';
import type { HubContext } from '../hub-context.js';
import type { RequestDenial } from '../faults/request-faults.js';
import type { SubscriptionRequest } from './subscription-request.js';

/** Denies an accepted request. The denial decides whether the request is verified before or after. */
export async function denyRequest(
  context: HubContext,
  subscriptionRequest: SubscriptionRequest,
  denial: RequestDenial,
): Promise<void> {
  if (denial.unlessConfirmed && (await verifyIntent(context, subscriptionRequest)).confirmed) return;
  await deny(context, subscriptionRequest, denial.reason ?? '', denial);
  if (denial.thenVerify) await verifyIntent(context, subscriptionRequest);
}

/** Denies all pending and active subscriptions whose topics have this denial in effect. */
export function denyAll(context: HubContext, denial: RequestDenial): Promise<Delivery[]> {
  const denied = context.subscriptions.live().filter(({ topic }) => context.faultsOf(topic).deny === denial);
  return Promise.all(denied.map((one) => deny(context, one, denial.reason ?? '', denial)));
}
