import { ConfigurationError } from '../errors.js';
import type { Logger } from '../logger.js';
import type { HookListener, HookName, HookPayload } from './hook-payloads.js';

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
] as const satisfies readonly HookName[];

/** The listeners of each hook. */
type Listeners = { readonly [Name in HookName]: Set<HookListener<Name>> };

/** The listeners of one runtime. */
export class Hooks {
  readonly #logger: Logger;
  readonly #listeners: Listeners = {
    requested: new Set(),
    verified: new Set(),
    renewed: new Set(),
    denied: new Set(),
    expired: new Set(),
    unsubscribed: new Set(),
    failed: new Set(),
    'hub-moved': new Set(),
    'topic-moved': new Set(),
    'hub-silent': new Set(),
    'hub-error': new Set(),
    notification: new Set(),
    rejected: new Set(),
    delivered: new Set(),
    'handler-error': new Set(),
    'dead-letter': new Set(),
  };

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /**
   * @returns a function that takes the listener off again
   * @throws ConfigurationError for a name that no hook has, and for what cannot be called
   */
  on<Name extends HookName>(name: Name, listener: HookListener<Name>): () => void {
    if (!HOOK_NAMES.includes(name)) {
      throw new ConfigurationError(`There is no hook "${name}"; there are ${HOOK_NAMES.join(', ')}.`);
    }
    if (typeof listener !== 'function')
      throw new ConfigurationError(`A listener of the hook "${name}" is no function.`);
    // Two registrations of one function are two listeners.
    const mine: HookListener<Name> = (payload) => listener(payload);
    const known: Set<HookListener<Name>> = this.#listeners[name];
    known.add(mine);
    return () => void known.delete(mine);
  }

  /** Whether anybody listens. */
  has(name: HookName): boolean {
    return this.#listeners[name].size > 0;
  }

  /** Calls the listeners; the payload is made only where there are any. Never throws. */
  emit<Name extends HookName>(name: Name, payload: () => HookPayload<Name>): void {
    const listeners: Set<HookListener<Name>> = this.#listeners[name];
    if (listeners.size === 0) return;
    let made: HookPayload<Name>;
    try {
      made = payload();
    } catch (error) {
      this.#logger.error({ hook: name, err: error }, 'a hook failed');
      return;
    }
    // A listener may add listeners: they are called from the next time on.
    for (const listener of new Set(listeners)) void this.#call(name, listener, made);
  }

  async #call<Name extends HookName>(
    name: Name,
    listener: HookListener<Name>,
    payload: HookPayload<Name>,
  ): Promise<void> {
    try {
      await listener(payload);
    } catch (error) {
      this.#logger.error({ hook: name, err: error }, 'a hook failed');
    }
  }
}
