/** The bounds a granted lease is kept within, in seconds. */
export interface LeaseBounds {
  /** Taken where the hub names none, or none that makes sense. */
  readonly defaultLeaseSeconds: number;
  /** A longer lease is cut to this. */
  readonly maxLeaseSeconds: number;
}

/** A lease as it is kept, and what was wrong with the one that came. */
export interface GrantedLease {
  readonly seconds: number;
  readonly warning?: string;
}

/**
 * The lease that `hub.lease_seconds` of a verification grants (WebSub section 5.3).
 *
 * @param given the parameter as it stands in the query
 */
export function grantedLease(given: string | undefined, bounds: LeaseBounds): GrantedLease {
  const seconds = given !== undefined && /^\d+$/.test(given) ? Number(given) : 0;
  if (seconds <= 0) {
    const what = given === undefined ? 'missing' : `${JSON.stringify(given.slice(0, 40))}, not a positive number`;
    return {
      seconds: bounds.defaultLeaseSeconds,
      warning: `hub.lease_seconds is ${what}: taken as ${bounds.defaultLeaseSeconds}`,
    };
  }
  if (seconds > bounds.maxLeaseSeconds) {
    return {
      seconds: bounds.maxLeaseSeconds,
      warning: `hub.lease_seconds is ${seconds}, more than the ${bounds.maxLeaseSeconds} allowed: cut to that`,
    };
  }
  return { seconds };
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
 * How long after it was given up on a verification is still taken for the answer to its request, in milliseconds: some
 * hubs are slower than they are given time, every time.
 */
export function lateVerificationMs(verifyTimeoutSeconds: number, leaseSeconds: number | undefined): number {
  return 10 * verifyTimeoutMs(verifyTimeoutSeconds, leaseSeconds);
}

/**
 * When to renew a lease that begins at `from`: a random point between 70 and 90 % of it, early enough for several tries.
 *
 * @param from epoch milliseconds
 * @param random from 0 to 1
 * @returns epoch milliseconds
 */
export function renewalTime(from: number, leaseSeconds: number, verifyTimeoutSeconds: number, random: number): number {
  const lease = leaseSeconds * 1000;
  const spread = lease * (0.7 + 0.2 * random);
  const reserve = Math.min(lease / 2, 5 * verifyTimeoutSeconds * 1000);
  return Math.floor(from + Math.min(spread, lease - reserve));
}
