/** A publisher asked to be left alone (`Retry-After`), and that is not over: its URL is not fetched before (PROTOCOL D13). */
export class PublisherRetryAfterError extends Error {
  override readonly name = 'HeldTopicError';
  /** When to try again, in epoch milliseconds. */
  readonly until: number;

  constructor(message: string, until: number, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.until = until;
  }
}

/** When what failed may be tried again at the earliest, in epoch milliseconds; 0 where nothing speaks against any time. */
export function earliestRetryAt(error: unknown): number {
  return error instanceof PublisherRetryAfterError ? error.until : 0;
}
