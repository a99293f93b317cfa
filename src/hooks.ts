import { ConfigurationError } from './errors.js';
import type { Logger } from './logger.js';

/** A listener. An error it throws is logged and has no other effect. */
export type Listener<Payload> = (payload: Payload) => unknown;

/**
 * The hooks of one runtime: named events that any number of listeners follow.
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
      throw new ConfigurationError(`There is no hook "${String(name)}"; there are ${names}.`);
    }
    if (typeof listener !== 'function') {
      throw new ConfigurationError(`A listener of the hook "${String(name)}" is no function.`);
    }
    // A wrapper for each call: the same function registered twice is two listeners.
    const registered: Listener<Payloads[Name]> = (payload) => listener(payload);
    const listeners = this.#listeners[name];
    listeners.add(registered);
    return () => void listeners.delete(registered);
  }

  /** Whether the hook has a listener. */
  has(name: keyof Payloads): boolean {
    return this.#listeners[name].size > 0;
  }

  /** Calls the listeners. The payload is built only if there are any. Never throws. */
  emit<Name extends keyof Payloads>(name: Name, payload: () => Payloads[Name]): void {
    const listeners = this.#listeners[name];
    if (listeners.size === 0) return;
    let built: Payloads[Name];
    try {
      built = payload();
    } catch (error) {
      this.#logger.error({ hook: name, err: error }, 'a hook failed');
      return;
    }
    // A copy: listeners added by a listener are called from the next event on.
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
      this.#logger.error({ hook: name, err: error }, 'a hook failed');
    }
  }
}
