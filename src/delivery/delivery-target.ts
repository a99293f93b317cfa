import type { CheckedDeliveryConfig } from './delivery-config.js';
import type { EventHandler } from './handler/handlers.js';

/** Who news is handed to, and how. */
export interface DeliveryTarget {
  readonly name: string;
  readonly handlers: EventHandler;
  readonly delivery: CheckedDeliveryConfig;
}
