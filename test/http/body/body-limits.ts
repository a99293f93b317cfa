import type { BodyLimits } from '../../../src/http/callback-request.js';
import { InFlightBytes } from '../../../src/http/body/in-flight-bytes.js';

/** Limits for bodies of a test, with the default bytes in flight. */
export function bodyLimits(maxBodyBytes: number, bodyTimeoutMs: number): BodyLimits {
  const inFlight = new InFlightBytes({ maxInFlightBytes: 64 << 20, maxBodyBytes });
  return { maxBodyBytes, bodyTimeoutMs, inFlight };
}
