import type { DeliveryService } from '../delivery-service.js';
import type { EventContext } from '../event-context.js';
import { isFetchable } from '../../subscription/machine/fetches/readable-grant.js';

/** True for a notification without content whose topic must be fetched; otherwise undefined. */
export function isThinPing({ delivery }: DeliveryService, { grant, event }: EventContext): true | undefined {
  return delivery.fetchThinPings && event.bytes().byteLength === 0 && isFetchable(grant.topic) ? true : undefined;
}
