import { verifyModeOf } from '../faults/fault-layer.js';
import { isMisleading, verifyIntent } from './intent-verification.js';
import type { Delivery } from './delivery.js';
import type { HubContext } from '../hub-context.js';
import type { SubscriptionKey } from '../subscriptions/subscription-table.js';

/** What is verified again. */
export interface ReverifyOptions {
  /** `unsubscribe` is what a forger would send: a subscriber confirms only what it asked for. @default 'subscribe' */
  readonly mode?: 'subscribe' | 'unsubscribe';
  /** Seconds granted, unless a fault says otherwise. @default what the subscription was granted or asks for */
  readonly leaseSeconds?: number;
}

/**
 * Verifies a subscription again, or for the first time where the hub's `verify` is `never`. Confirmed, its lease begins
 * anew; refused by the subscriber, it ends.
 */
export async function reverify(
  context: HubContext,
  { topic, callback }: SubscriptionKey,
  { mode = 'subscribe', leaseSeconds }: ReverifyOptions,
): Promise<Delivery> {
  const key = { topic, callback };
  const known = context.subscriptions.find(key);
  const request = context.subscriptions.lastRequest(key);
  const sameModeRequest = request?.mode === mode ? request : undefined;
  const { confirmed, delivery } = await verifyIntent(context, {
    ...key,
    mode,
    leaseSeconds: leaseSeconds ?? known?.leaseSeconds ?? sameModeRequest?.leaseSeconds,
    secret: sameModeRequest ? sameModeRequest.secret : known?.secret,
    verifyToken: sameModeRequest?.verifyToken,
    isUnsolicited: sameModeRequest === undefined,
  });
  const isHonest = !isMisleading(verifyModeOf(context.faultsOf(topic), mode));
  const refused = delivery.status !== undefined && isHonest;
  if (!confirmed && refused && mode === 'subscribe') context.subscriptions.end(key, 'refused');
  return delivery;
}
