import type { CheckedDeliveryConfig } from './delivery-config.js';
import type { EventHandler } from './handler/event-handler.js';

/** Who news is handed to, and how. */
export interface DeliveryTarget {
  readonly name: string;
  readonly handler: EventHandler;
  readonly delivery: CheckedDeliveryConfig;
}
