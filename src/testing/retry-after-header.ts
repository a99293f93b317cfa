/** Returns a `Retry-After` header in seconds or as a date; no header when `retryAfter` is undefined. */
export function retryAfterHeader(retryAfter: number | Date | undefined): Readonly<Record<string, string>> {
  if (retryAfter === undefined) return {};
  return { 'retry-after': retryAfter instanceof Date ? retryAfter.toUTCString() : String(retryAfter) };
}
