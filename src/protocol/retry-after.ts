// Date.parse alone would take "1.5" for a day in January.
const HTTP_DATE = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? /;

/** A longer `Retry-After` of a hub or publisher counts as this, in seconds (PROTOCOL D13, S3). */
export const MAX_RETRY_AFTER_SECONDS = 86_400;

/**
 * The seconds that a `Retry-After` header asks to wait: given as such, or as a date (RFC 9110, section 10.2.3).
 *
 * @param now milliseconds since the epoch
 * @returns undefined when there is no header or it cannot be read; 0 for a date gone by
 */
export function parseRetryAfter(header: string | null, now: number): number | undefined {
  const value = header?.trim() ?? '';
  if (/^\d+$/.test(value)) return Math.min(Number(value), Number.MAX_SAFE_INTEGER);
  if (!HTTP_DATE.test(value)) return undefined;
  // The oldest of the three date forms names no zone, and means GMT all the same.
  const at = Date.parse(value.endsWith('GMT') ? value : `${value} GMT`);
  return Number.isNaN(at) ? undefined : Math.max(0, Math.ceil((at - now) / 1000));
}
