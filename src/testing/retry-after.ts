/** A `Retry-After` header: seconds, or a date. None where nothing is given. */
export function retryAfterHeader(retryAfter: number | Date | undefined): Readonly<Record<string, string>> {
  if (retryAfter === undefined) return {};
  return { 'retry-after': retryAfter instanceof Date ? retryAfter.toUTCString() : String(retryAfter) };
}
