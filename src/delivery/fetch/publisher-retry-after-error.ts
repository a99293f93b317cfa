/** Thrown while a publisher's `Retry-After` lasts. The URL is not fetched before `until` (PROTOCOL D13). */
export class PublisherRetryAfterError extends Error {
  override readonly name = 'PublisherRetryAfterError';
  /** When the URL may be fetched again, in epoch milliseconds. */
  readonly until: number;

  constructor(message: string, until: number, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.until = until;
  }
}

/** The earliest time for a retry after an error, in epoch milliseconds; 0 if any time is fine. */
export function earliestRetryAt(error: unknown): number {
  return error instanceof PublisherRetryAfterError ? error.until : 0;
}
