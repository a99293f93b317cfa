import { callbackGet } from './callback-query.js';
import type { Delivery } from './delivery.js';
import type { HubContext } from '../hub-context.js';
import type { DenyOptions } from '../faults/request-faults.js';
import type { SubscriptionKey } from '../subscriptions/subscription-table.js';

/**
 * Denies a pending or active subscription (WebSub section 5.2): ends it at once and sends the denial. With `keep`, an
 * active subscription stays active.
 */
export function deny(
  context: HubContext,
  key: SubscriptionKey,
  reason: string,
  { keep = false }: DenyOptions = {},
): Promise<Delivery> {
  const isKept = keep && context.subscriptions.find(key)?.state === 'active';
  if (!isKept) context.subscriptions.end(key, 'denied');
  return sendNotice(context, 'denial', 'denied', key, reason);
}

/** Sends a hub error to a subscriber, as Ballerina's hubs do. The subscription does not change. */
export function reportError(context: HubContext, key: SubscriptionKey, reason: string): Promise<Delivery> {
  return sendNotice(context, 'hub-error', 'hub-error', key, reason);
}

function sendNotice(
  context: HubContext,
  kind: Delivery['kind'],
  mode: string,
  key: SubscriptionKey,
  reason: string,
): Promise<Delivery> {
  const sent = callbackGet(key.callback, {
    'hub.mode': mode,
    'hub.topic': key.topic,
    'hub.reason': reason === '' ? undefined : reason,
  });
  return context.send(kind, key, sent);
}
