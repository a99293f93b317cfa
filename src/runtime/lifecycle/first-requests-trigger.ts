import { beginTooEarlyError } from './lifecycle-error.js';

/** Sends the first requests to hubs, once for any number of calls. */
export class FirstRequestsTrigger {
  #firstRequests: (() => Promise<void>) | undefined;
  #running: Promise<void> | undefined;

  /** Sets the function that sends the first requests. Called once the services have started. */
  set(firstRequests: () => Promise<void>): void {
    this.#firstRequests = firstRequests;
  }

  /**
   * Settles like the first requests. After a failure, the next call sends them again.
   *
   * @throws WebSubError if the services have not started yet
   */
  async begin(): Promise<void> {
    if (this.#firstRequests === undefined) throw beginTooEarlyError();
    this.#running ??= this.#firstRequests().catch((error: unknown) => {
      this.#running = undefined;
      throw error;
    });
    await this.#running;
  }
}
