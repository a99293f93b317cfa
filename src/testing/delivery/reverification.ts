import { verifyModeOf } from '../faults/fault-layer.js';
import { isMisleading, verifyIntent } from './intent-verification.js';
import type { Delivery } from './delivery.js';
import type { HubContext } from '../hub-context.js';
import type { SubscriptionKey } from '../subscriptions/subscription-table.js';

/** Options of `hub.verify()`. */
export interface ReverifyOptions {
  /**
   * Mode to verify. Use `unsubscribe` to act as a forger: a subscriber must confirm only its own requests.
   * @default 'subscribe'
   */
  readonly mode?: 'subscribe' | 'unsubscribe';
  /** Seconds granted, unless a fault sets them. @default the lease granted before, else the lease requested */
  readonly leaseSeconds?: number;
}

/**
 * Verifies a subscription again, or the first time when the hub's `verify` is `never`. When the subscriber confirms,
 * a new lease starts; when it refuses, the subscription ends.
 */
export async function reverify(
  context: HubContext,
  { topic, callback }: SubscriptionKey,
  { mode = 'subscribe', leaseSeconds }: ReverifyOptions,
): Promise<Delivery> {
  const key = { topic, callback };
  const subscription = context.subscriptions.find(key);
  const request = context.subscriptions.lastRequest(key);
  const sameModeRequest = request?.mode === mode ? request : undefined;
  const { confirmed, delivery } = await verifyIntent(context, {
    ...key,
    mode,
    leaseSeconds: leaseSeconds ?? subscription?.leaseSeconds ?? sameModeRequest?.leaseSeconds,
    secret: sameModeRequest ? sameModeRequest.secret : subscription?.secret,
    verifyToken: sameModeRequest?.verifyToken,
    isUnsolicited: sameModeRequest === undefined,
  });
  const isHonest = !isMisleading(verifyModeOf(context.faultsOf(topic), mode));
  const isRefusal = delivery.status !== undefined && isHonest;
  if (!confirmed && isRefusal && mode === 'subscribe') context.subscriptions.end(key, 'refused');
  return delivery;
}
