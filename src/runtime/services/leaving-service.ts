import type { CallbackService } from '../../http/callback-context.js';
import { checkServiceConfig } from '../config/check-config.js';

/** The configuration for leaving a subscription whose service does not run: all defaults. */
export const LEAVING_CONFIG = checkServiceConfig('a service that does not run', {});

/** Stands in for a service that does not run, while its subscriptions are left. It has no handlers. */
export const leavingService: CallbackService = {
  name: LEAVING_CONFIG.name,
  delivery: LEAVING_CONFIG.delivery,
  signature: LEAVING_CONFIG.signature,
  redactedValues: [],
  handlers: {
    onEventNotification: () => {
      throw new Error('No content is delivered for a service that does not run.');
    },
  },
};
