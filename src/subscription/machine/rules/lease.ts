/** Bounds for a granted lease, in seconds. The lease to request is the service's `leaseSeconds`. */
export interface LeaseBounds {
  /** The lease if the hub names no valid one. A shorter requested lease wins. */
  readonly defaultLeaseSeconds: number;
  /** A longer lease is cut to this. */
  readonly maxLeaseSeconds: number;
  /** A longer lease is renewed as if it were this long. */
  readonly maxRenewalSeconds: number;
}

/**
 * A shorter lease counts as this long, in seconds (PROTOCOL L1). Anyone who knows a callback can verify a request
 * before the hub does. A tiny forged lease would make us send requests without end.
 */
const MIN_LEASE_SECONDS = 10;

/**
 * The lease in seconds that a verification grants by `hub.lease_seconds` (WebSub section 5.3, PROTOCOL V2).
 *
 * Quirk(websub-server): sends `hub.lease_seconds=0` and keeps the requested lease. We treat 0 as missing.
 *
 * Quirk(Switchboard): ignores the requested lease. We use the lease it grants.
 *
 * @param leaseParam the parameter as received in the query
 * @param requestedSeconds the lease that was requested, in seconds
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
 * Milliseconds that a hub gets to verify: the configured time, but at most a tenth of the lease, so that several tries
 * fit. At least one second.
 */
export function verifyTimeoutMs(verifyTimeoutSeconds: number, leaseSeconds: number | undefined): number {
  const configured = verifyTimeoutSeconds * 1000;
  if (leaseSeconds === undefined) return configured;
  return Math.max(1000, Math.min(configured, leaseSeconds * 100));
}

/**
 * Milliseconds after a failed request in which a verification still counts as the answer to the request.
 *
 * Quirk(Webubbub): takes up to 5 s to verify. On a short lease, our timeout always ends before. We still accept the
 * verification (PROTOCOL V9).
 */
export function lateVerificationMs(verifyTimeoutSeconds: number, leaseSeconds: number | undefined): number {
  return 10 * verifyTimeoutMs(verifyTimeoutSeconds, leaseSeconds);
}

/** The options that decide when a lease is renewed. */
export type RenewalRules = Pick<LeaseBounds, 'maxRenewalSeconds'> & { readonly verifyTimeoutSeconds: number };

/**
 * When to renew a lease that begins at `from`: a random point between 70 and 90 % of the lease. Short leases renew
 * earlier, from 50 %, to leave time for retries. A long lease counts as `maxRenewalSeconds`, so that we notice a hub
 * that forgot us.
 *
 * Quirk(PuSHPress): grants a lease of ten years. We still renew after `maxRenewalSeconds`.
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
