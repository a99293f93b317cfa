import type { Delivery } from './delivery/delivery.js';
import type { ReceivedRequest } from './subscriptions/received-request.js';
import type { HubSubscription } from './subscriptions/subscription-table.js';
import type { Violation } from './checks/violation.js';

/** What the summary is of. */
export interface HubRecords {
  readonly url: string;
  readonly requests: readonly ReceivedRequest[];
  readonly deliveries: readonly Delivery[];
  readonly subscriptions: readonly HubSubscription[];
  readonly violations: readonly Violation[];
}

/** What a hub has seen so far, in a sentence or two for an error message. Callbacks, being secret, are not in it. */
export function hubSummary({ url, requests, deliveries, subscriptions, violations }: HubRecords): string {
  return [
    `The hub ${url} received: ${list(requests.map(({ method, path }) => `${method} ${path}`))}`,
    `sent: ${list(deliveries.map((one) => `${one.kind} for ${one.topic} -> ${one.status ?? one.error?.message}`))}`,
    `holds: ${list(subscriptions.map(({ topic, state }) => `${topic} ${state}`))}`,
    `noted as violations: ${list(violations.map(({ message }) => message))}`,
  ].join('; ');
}

function list(items: readonly string[]): string {
  const last = items.slice(-10);
  const omitted = items.length - last.length;
  return items.length === 0 ? 'nothing' : `${omitted > 0 ? `${omitted} more, then ` : ''}${last.join(', ')}`;
}
