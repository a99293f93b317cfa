/** What a hub's status says of a subscription request (WebSub section 5.1, and what hubs do beyond it). */
export type HubVerdict =
  | 'accepted'
  /** 307 or 308: the same request belongs elsewhere. */
  | 'redirected'
  /** Worth asking again. */
  | 'temporary'
  | 'refused';

// Quirk(Google): answers 409 or 422 when its verification failed. We retry as after a 5xx (PROTOCOL S3).
const TEMPORARY_STATUSES: ReadonlySet<number> = new Set([408, 409, 422, 425, 429]);

/** The verdict in an HTTP status. */
export function hubVerdict(status: number): HubVerdict {
  if (status >= 200 && status < 300) return 'accepted';
  if (status === 307 || status === 308) return 'redirected';
  if (TEMPORARY_STATUSES.has(status) || (status >= 500 && status < 600)) return 'temporary';
  return 'refused';
}

/**
 * Whether the answer to an unsubscription says that there is nothing left to end: 204, 404 and 410, and any other final 4xx
 * where the hub had reason to end it before.
 *
 * @param isEndExpected whether the hub was answered 410, or denied the subscription
 */
export function isAlreadyEnded(status: number, isEndExpected: boolean): boolean {
  if (status === 204 || status === 404 || status === 410) return true;
  return isEndExpected && status >= 400 && status < 500 && hubVerdict(status) === 'refused';
}
