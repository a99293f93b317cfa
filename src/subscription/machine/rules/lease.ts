/** The bounds a granted lease is kept within, in seconds. */
export interface LeaseBounds {
  /** Taken where the hub names no lease, or none that makes sense, and a shorter one was not asked for. */
  readonly defaultLeaseSeconds: number;
  /** A longer lease is cut to this. */
  readonly maxLeaseSeconds: number;
  /** A longer lease is renewed as if it were this long. */
  readonly maxRenewalSeconds: number;
}

/**
 * A shorter lease counts as this long, in seconds (PROTOCOL L1): whoever knows a callback can answer a request before its
 * hub does, and would have the hub asked without end.
 */
const MIN_LEASE_SECONDS = 10;

/**
 * The lease that `hub.lease_seconds` of a verification grants (WebSub section 5.3, PROTOCOL V2), in seconds.
 *
 * Quirk(websub-server): sends `hub.lease_seconds=0` and keeps the lease it was asked for. We take 0 as missing.
 *
 * Quirk(Switchboard): ignores the lease it was asked for. We use the lease it grants.
 *
 * @param leaseParam the parameter as it stands in the query
 * @param requestedSeconds what was asked for, in seconds
 */
export function grantedLease(
  leaseParam: string | undefined,
  requestedSeconds: number | undefined,
  bounds: LeaseBounds,
): number {
  const seconds = leaseParam !== undefined && /^\d+$/.test(leaseParam) ? Number(leaseParam) : 0;
  if (seconds <= 0) return Math.min(requestedSeconds ?? bounds.defaultLeaseSeconds, bounds.defaultLeaseSeconds);
  return Math.min(Math.max(seconds, MIN_LEASE_SECONDS), bounds.maxLeaseSeconds);
}

/**
 * How long a hub gets to verify, in milliseconds: the configured time, less where the lease is so short that several
 * tries would not fit into it.
 */
export function verifyTimeoutMs(verifyTimeoutSeconds: number, leaseSeconds: number | undefined): number {
  const configured = verifyTimeoutSeconds * 1000;
  if (leaseSeconds === undefined) return configured;
  return Math.max(1000, Math.min(configured, leaseSeconds * 100));
}

/**
 * How long after it was given up on a verification is still taken for the answer to its request, in milliseconds.
 *
 * Quirk(Webubbub): takes up to 5 s to verify. On a short lease that is after our time-out, every time. We still accept it
 * (PROTOCOL V9).
 */
export function lateVerificationMs(verifyTimeoutSeconds: number, leaseSeconds: number | undefined): number {
  return 10 * verifyTimeoutMs(verifyTimeoutSeconds, leaseSeconds);
}

/** The options that decide when a lease is renewed. */
export type RenewalRules = Pick<LeaseBounds, 'maxRenewalSeconds'> & { readonly verifyTimeoutSeconds: number };

/**
 * When to renew a lease that begins at `from`: a random point between 70 and 90 % of it, early enough for several tries. A
 * long lease counts as `maxRenewalSeconds`: a hub that forgot us is noticed by that.
 *
 * Quirk(PuSHPress): grants a lease of ten years. We renew after `maxRenewalSeconds` all the same.
 *
 * @param from epoch milliseconds
 * @param random from 0 to 1
 * @returns epoch milliseconds
 */
export function renewalTime(
  from: number,
  leaseSeconds: number,
  { verifyTimeoutSeconds, maxRenewalSeconds }: RenewalRules,
  random: number,
): number {
  const lease = Math.min(leaseSeconds, maxRenewalSeconds) * 1000;
  const spread = lease * (0.7 + 0.2 * random);
  const reserve = Math.min(lease / 2, 5 * verifyTimeoutSeconds * 1000);
  return Math.floor(from + Math.min(spread, lease - reserve));
}
