import { WebSubError } from '../../errors.js';

/** Sends the first requests to hubs once, however often it is called. */
export class FirstRequestsTrigger {
  #firstRequests: (() => Promise<void>) | undefined;
  #running: Promise<void> | undefined;

  /** Sets the first requests, once the services have started. */
  set(firstRequests: () => Promise<void>): void {
    this.#firstRequests = firstRequests;
  }

  /**
   * Resolves or rejects as the first requests do. After a failure they can be sent again.
   *
   * @throws WebSubError before the services have started
   */
  async begin(): Promise<void> {
    if (this.#firstRequests === undefined) {
      throw new WebSubError('begin() was called before startService has resolved: call it when your server listens.');
    }
    this.#running ??= this.#firstRequests().catch((error: unknown) => {
      this.#running = undefined;
      throw error;
    });
    await this.#running;
  }
}
