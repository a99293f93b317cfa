import { ConfigurationError } from './errors.js';
import { log } from './log-events.js';
import type { Logger } from './logger.js';

/** A listener of a hook. An error it throws is logged and has no other effect. */
export type Listener<Payload> = (payload: Payload) => unknown;

/**
 * The hooks of one runtime, each with any number of listeners.
 *
 * @typeParam Payloads the payload of each hook, by name
 */
export class Hooks<Payloads extends object> {
  readonly #logger: Logger;
  readonly #listeners: { readonly [Name in keyof Payloads]: Set<Listener<Payloads[Name]>> };

  /** @param listeners an empty set for each hook */
  constructor(listeners: { readonly [Name in keyof Payloads]: Set<Listener<Payloads[Name]>> }, logger: Logger) {
    this.#listeners = listeners;
    this.#logger = logger;
  }

  /**
   * Adds a listener.
   *
   * @returns a function that removes it
   * @throws ConfigurationError for an unknown name, and for a listener that is not a function
   */
  on<Name extends keyof Payloads>(name: Name, listener: Listener<Payloads[Name]>): () => void {
    if (!Object.hasOwn(this.#listeners, name)) {
      const names = Object.keys(this.#listeners).join(', ');
      throw new ConfigurationError(`There is no hook "${String(name)}"; it must be one of ${names}.`);
    }
    if (typeof listener !== 'function') {
      throw new ConfigurationError(`The listener of the hook "${String(name)}" is not a function; it must be one.`);
    }
    // A new wrapper for each call, so that a function registered twice is two listeners.
    const registered: Listener<Payloads[Name]> = (payload) => listener(payload);
    const listeners = this.#listeners[name];
    listeners.add(registered);
    return () => void listeners.delete(registered);
  }

  /** Whether the hook has a listener. */
  has(name: keyof Payloads): boolean {
    return this.#listeners[name].size > 0;
  }

  /** Calls the listeners. Builds the payload only if there are any. Never throws. */
  emit<Name extends keyof Payloads>(name: Name, payload: () => Payloads[Name]): void {
    const listeners = this.#listeners[name];
    if (listeners.size === 0) return;
    let built: Payloads[Name];
    try {
      built = payload();
    } catch (error) {
      log(this.#logger, 'hook.failed', { hook: String(name), err: error });
      return;
    }
    // Iterates over a copy: a listener added during this call is first called for the next event.
    for (const listener of new Set(listeners)) void this.#call(name, listener, built);
  }

  async #call<Name extends keyof Payloads>(
    name: Name,
    listener: Listener<Payloads[Name]>,
    payload: Payloads[Name],
  ): Promise<void> {
    try {
      await listener(payload);
    } catch (error) {
      log(this.#logger, 'hook.failed', { hook: String(name), err: error });
    }
  }
}
