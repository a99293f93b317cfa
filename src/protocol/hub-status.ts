/** The meaning of a hub's status for a subscription request (WebSub section 5.1, and common hub behavior). */
export type HubVerdict =
  | 'accepted'
  /** 307 or 308: send the same request to another URL. */
  | 'redirected'
  /** Worth a retry. */
  | 'temporary'
  | 'refused';

// Quirk(Google): answers 409 or 422 when its verification failed. We retry as after a 5xx (PROTOCOL S3).
const TEMPORARY_STATUSES: ReadonlySet<number> = new Set([408, 409, 422, 425, 429]);

/** Returns the verdict for an HTTP status. */
export function hubVerdict(status: number): HubVerdict {
  if (status >= 200 && status < 300) return 'accepted';
  if (status === 307 || status === 308) return 'redirected';
  if (TEMPORARY_STATUSES.has(status) || (status >= 500 && status < 600)) return 'temporary';
  return 'refused';
}

/**
 * Whether the response to an unsubscribe request means that no subscription is left: 204, 404 and 410. If the hub had a
 * reason to end the subscription earlier, any other final 4xx counts as well.
 *
 * @param isEndExpected whether we answered the hub 410, or the hub denied the subscription
 */
export function isAlreadyEnded(status: number, isEndExpected: boolean): boolean {
  if (status === 204 || status === 404 || status === 410) return true;
  return isEndExpected && status >= 400 && status < 500 && hubVerdict(status) === 'refused';
}
