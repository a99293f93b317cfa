import type { CheckedDeliveryConfig } from './delivery-config.js';
import type { EventHandler } from './handler/handlers.js';

/** A service, its handler and its delivery options. */
export interface DeliveryService {
  readonly name: string;
  readonly handlers: EventHandler;
  readonly delivery: CheckedDeliveryConfig;
}
