import type { RateLimit } from './request-faults.js';

/** Counts requests in windows of time. */
export interface RateWindow {
  /** Counts a request. Above the limit, returns the seconds until the window ends. */
  count(limit: RateLimit, now: number): number | undefined;
}

export function createRateWindow(): RateWindow {
  let endsAt = Number.NEGATIVE_INFINITY;
  let counted = 0;
  return {
    count({ requests, perSeconds }, now) {
      if (now >= endsAt) {
        endsAt = now + perSeconds * 1000;
        counted = 0;
      }
      counted += 1;
      return counted > requests ? Math.ceil((endsAt - now) / 1000) : undefined;
    },
  };
}
