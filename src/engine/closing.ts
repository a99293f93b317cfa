import { setMaxListeners } from 'node:events';

/** How far the stop of a runtime has come. */
export class Closing {
  readonly #abort = new AbortController();
  #isStopping = false;
  #areCallbacksClosed = false;

  constructor() {
    // Every request adds a listener, and there may be many.
    setMaxListeners(0, this.#abort.signal);
  }

  /** Whether a stop has begun: nothing new starts. Unsubscribe requests are still sent. */
  get isStopping(): boolean {
    return this.#isStopping;
  }

  /** Whether requests on callbacks are answered 503. No handler is called for them then. */
  get areCallbacksClosed(): boolean {
    return this.#areCallbacksClosed;
  }

  /** Aborted once no network request may go on. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  begin(): void {
    this.#isStopping = true;
  }

  closeCallbacks(): void {
    this.#areCallbacksClosed = true;
  }

  abort(): void {
    this.#abort.abort();
  }
}
