import type { EventHandler } from '../../delivery/handler/event-handler.js';
import type { IntentHandlers } from '../../http/intent/intent-handlers.js';
import type { SubscriberRuntime } from '../subscriber-runtime.js';

/** What a service may do; only `onEventNotification` must be there. */
export interface SubscriberHandlers extends EventHandler, IntentHandlers {
  /** Called once when the runtime starts, before anything is asked of a hub. Throwing makes `startService` reject. */
  readonly onStart?: (runtime: SubscriberRuntime) => void | Promise<void>;
  /** Called once when the runtime stops. What it throws is logged, and the shutdown goes on. */
  readonly onShutdown?: (runtime: SubscriberRuntime) => void | Promise<void>;
}

/** A class whose instances are services. Not an abstract one: the runtime constructs it. */
export type SubscriberClass = new (...args: never[]) => SubscriberHandlers;
