// Date.parse alone would read "1.5" as a day in January.
const HTTP_DATE = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? /;

/** Upper limit of a hub's or publisher's `Retry-After`, in seconds (PROTOCOL D13, S3). */
export const MAX_RETRY_AFTER_SECONDS = 86_400;

/**
 * Parses a `Retry-After` header: a number of seconds, or a date (RFC 9110, section 10.2.3).
 *
 * @param now milliseconds since the epoch
 * @returns seconds from `now`; 0 for a date in the past; undefined when the header is missing or invalid
 */
export function parseRetryAfter(header: string | null, now: number): number | undefined {
  const value = header?.trim() ?? '';
  if (/^\d+$/.test(value)) return Math.min(Number(value), Number.MAX_SAFE_INTEGER);
  if (!HTTP_DATE.test(value)) return undefined;
  // The oldest of the three date formats names no zone, and means GMT.
  const at = Date.parse(value.endsWith('GMT') ? value : `${value} GMT`);
  return Number.isNaN(at) ? undefined : Math.max(0, Math.ceil((at - now) / 1000));
}
