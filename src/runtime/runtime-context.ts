import type { DeliveryContext } from '../delivery/delivery-context.js';
import type { ServiceTable } from './services/service-table.js';

/** The parts that everything in a runtime shares. Each layer below sees the ones that it needs. */
export interface RuntimeContext extends DeliveryContext {
  readonly services: ServiceTable;
}
