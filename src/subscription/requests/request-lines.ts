import type { Discovery } from '../../hub/discovery/discover.js';
import type { OutboundLine } from '../../hub/outbound-log.js';
import type { SubscriptionRecord } from '../record/record.js';

/** The debug line of a discovery. */
export function discoveryLine({ id, service, target }: SubscriptionRecord): OutboundLine<Discovery> {
  return {
    message: 'discovery ended',
    fields: (found) => ({ subscription: id, service, target, via: found?.via, hubs: found?.hubs.length }),
  };
}

/** The debug line of a request to a hub. */
export function hubRequestLine(
  { id, service }: SubscriptionRecord,
  asked: { readonly mode: 'subscribe' | 'unsubscribe'; readonly hub: string; readonly topic: string },
): OutboundLine<unknown> {
  return { message: 'hub request ended', fields: () => ({ subscription: id, service, ...asked }) };
}
