import type { Discovery } from '../../hub/discovery/discover.js';
import type { OutboundLogLine } from '../../hub/outbound-log.js';
import type { SubscriptionRecord } from '../record/record.js';

/** The debug line of a discovery. */
export function discoveryLine({ id, service, target }: SubscriptionRecord): OutboundLogLine<Discovery> {
  return {
    message: 'discovery ended',
    fields: (discovery) => ({ subscription: id, service, target, via: discovery?.via, hubs: discovery?.hubs.length }),
  };
}

/** The debug line of a request to a hub. */
export function hubRequestLine(
  { id, service }: SubscriptionRecord,
  request: { readonly mode: 'subscribe' | 'unsubscribe'; readonly hub: string; readonly topic: string },
): OutboundLogLine<unknown> {
  return { message: 'hub request ended', fields: () => ({ subscription: id, service, ...request }) };
}
