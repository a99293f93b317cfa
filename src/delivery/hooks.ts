import { ConfigurationError } from '../errors.js';
import type { Logger } from '../logger.js';
import type { Grant, Subscription } from '../subscription/snapshot.js';
import type { ContentDistributionMessage } from './message.js';
import type { DeadLetterCause } from './stored-event.js';

/** What can be listened to; `hooks.on` says when each is called. */
export const HOOK_NAMES = [
  'requested',
  'verified',
  'renewed',
  'denied',
  'expired',
  'unsubscribed',
  'failed',
  'hub-moved',
  'topic-moved',
  'hub-silent',
  'hub-error',
  'notification',
  'rejected',
  'delivered',
  'handler-error',
  'dead-letter',
] as const;

/** The name of a hook. */
export type HookName = (typeof HOOK_NAMES)[number];

/** What a hook's listener is called with. */
export interface HookPayload {
  readonly subscription: Subscription;
  readonly grant?: Grant | undefined;
  readonly event?: ContentDistributionMessage | undefined;
  readonly error?: Error | undefined;
  /** Of `dead-letter`: why the event was given up. */
  readonly cause?: DeadLetterCause | undefined;
  readonly at: Date;
}

/** A hook's listener. What it throws is logged and otherwise without effect. */
export type HookListener = (payload: HookPayload) => unknown;

/** The listeners of one runtime. */
export class Hooks {
  readonly #logger: Logger;
  readonly #listeners = new Map<HookName, Set<HookListener>>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /**
   * @returns a function that takes the listener off again
   * @throws ConfigurationError for a name that no hook has, and for what cannot be called
   */
  on(name: HookName, listener: HookListener): () => void {
    if (!HOOK_NAMES.includes(name)) {
      throw new ConfigurationError(`There is no hook "${name}"; there are ${HOOK_NAMES.join(', ')}.`);
    }
    if (typeof listener !== 'function')
      throw new ConfigurationError(`A listener of the hook "${name}" is no function.`);
    // Two registrations of one function are two listeners.
    const mine: HookListener = (payload) => listener(payload);
    const known = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, known.add(mine));
    return () => void known.delete(mine);
  }

  /** Whether anybody listens. */
  has(name: HookName): boolean {
    return (this.#listeners.get(name)?.size ?? 0) > 0;
  }

  /** Calls the listeners; the payload is made only where there are any. Never throws. */
  emit(name: HookName, payload: () => HookPayload): void {
    const listeners = this.#listeners.get(name);
    if (listeners === undefined || listeners.size === 0) return;
    let made: HookPayload;
    try {
      made = payload();
    } catch (error) {
      this.#logger.error({ hook: name, err: error }, 'a hook failed');
      return;
    }
    // A listener may add listeners: they are called from the next time on.
    for (const listener of new Set(listeners)) void this.#call(name, listener, made);
  }

  async #call(name: HookName, listener: HookListener, payload: HookPayload): Promise<void> {
    try {
      await listener(payload);
    } catch (error) {
      this.#logger.error({ hook: name, err: error }, 'a hook failed');
    }
  }
}
