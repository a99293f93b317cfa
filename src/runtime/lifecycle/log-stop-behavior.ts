import type { Logger } from '../../logger.js';
import type { RunningService } from '../core.js';

/** Logs at the start what a stop does and needs, because the default may surprise. */
export function logStopBehavior(
  services: readonly RunningService[],
  { isDurable, handlesSignals }: { readonly isDurable: boolean; readonly handlesSignals: boolean },
  logger: Logger,
): void {
  const serviceNames = services.filter(({ config }) => config.unsubscribeOnShutdown).map(({ config }) => config.name);
  if (serviceNames.length === 0) return;
  if (isDurable) {
    logger.info(
      { services: serviceNames },
      'a stop asks hubs to stop sending; the next start fetches what was published in between if the topic is a feed, and ' +
        'misses it if not: set unsubscribeOnShutdown: false to keep the subscriptions',
    );
  }
  if (!handlesSignals) {
    logger.info(
      { services: serviceNames },
      'signals are left to the application: call runtime.stop() before the process ends, or set handleSignals: true; ' +
        'otherwise the hubs keep the subscriptions',
    );
  }
}
