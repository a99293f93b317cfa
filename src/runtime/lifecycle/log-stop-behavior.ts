import { log } from '../../log-events.js';
import type { Logger } from '../../logger.js';
import type { ServiceInstance } from '../services/service-table.js';

/** Logs at the start what a stop does and needs, because the default may surprise. */
export function logStopBehavior(
  services: readonly ServiceInstance[],
  { isDurable, handlesSignals }: { readonly isDurable: boolean; readonly handlesSignals: boolean },
  logger: Logger,
): void {
  const serviceNames = services.filter(({ config }) => config.unsubscribeOnShutdown).map(({ config }) => config.name);
  if (serviceNames.length === 0) return;
  if (isDurable) {
    log(logger, 'shutdown.unsubscribes', { services: serviceNames });
  }
  if (!handlesSignals) {
    log(logger, 'signals.not-handled', { services: serviceNames });
  }
}
