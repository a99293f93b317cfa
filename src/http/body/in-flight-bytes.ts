/** Limits for the bytes of bodies in flight. */
export interface InFlightLimits {
  readonly maxInFlightBytes: number;
  readonly maxBodyBytes: number;
}

/** Share of `maxInFlightBytes` that one grant may use, or `maxBodyBytes` if that is more. */
const GRANT_SHARE = 1 / 4;

/** The bytes of one body that is being received or decoded. */
export interface BodyReservation {
  /** Records progress and the current size of the body. May evict other bodies, but never this one. */
  update(bytes: number): void;
  /** Ends the reservation. Idempotent. */
  release(): void;
}

/** A body with its reservation. */
interface ReservedBody {
  readonly grantId: string;
  readonly evict: () => void;
  bytes: number;
}

/** The bodies of one grant, and their bytes. */
interface GrantShare {
  bytes: number;
  readonly bodies: Set<ReservedBody>;
}

/**
 * Counts the bytes of all bodies in flight (PROTOCOL C6).
 *
 * Above the limit, the body idle longest is evicted. A grant above its share first loses its own body idle longest. A
 * single body is never evicted.
 */
export class InFlightBytes {
  readonly #max: number;
  readonly #maxPerGrant: number;
  #bytes = 0;
  /** Ordered by progress: the body without progress for the longest time comes first. */
  readonly #bodies = new Set<ReservedBody>();
  readonly #grants = new Map<string, GrantShare>();
  /** The body with the latest progress, which is last in both sets. */
  #latest: ReservedBody | undefined;

  constructor({ maxInFlightBytes, maxBodyBytes }: InFlightLimits) {
    this.#max = maxInFlightBytes;
    this.#maxPerGrant = Math.max(maxInFlightBytes * GRANT_SHARE, maxBodyBytes);
  }

  /** Bytes of all bodies in flight. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Starts to count a body. If the body must make room for others, `evict` is called and the body no longer counts. */
  reserve(grantId: string, evict: () => void): BodyReservation {
    const body: ReservedBody = { grantId, evict, bytes: 0 };
    const share = this.#grants.get(grantId) ?? { bytes: 0, bodies: new Set() };
    this.#grants.set(grantId, share);
    this.#bodies.add(body);
    share.bodies.add(body);
    this.#latest = body;
    return {
      update: (bytes) => this.#update(body, bytes),
      release: () => this.#release(body),
    };
  }

  #update(body: ReservedBody, bytes: number): void {
    const share = this.#grants.get(body.grantId);
    if (share === undefined || !share.bodies.has(body)) return;
    if (this.#latest !== body) {
      this.#latest = body;
      for (const bodies of [this.#bodies, share.bodies]) {
        bodies.delete(body);
        bodies.add(body);
      }
    }
    const growth = bytes - body.bytes;
    if (growth === 0) return;
    body.bytes = bytes;
    share.bytes += growth;
    this.#bytes += growth;
    while (share.bytes > this.#maxPerGrant && share.bodies.size > 1) this.#evictFirst(share.bodies);
    while (this.#bytes > this.#max && this.#bodies.size > 1) this.#evictFirst(this.#bodies);
  }

  #evictFirst(bodies: Set<ReservedBody>): void {
    const [first] = bodies;
    if (first === undefined) return;
    this.#release(first);
    first.evict();
  }

  #release(body: ReservedBody): void {
    if (!this.#bodies.delete(body)) return;
    if (this.#latest === body) this.#latest = undefined;
    this.#bytes -= body.bytes;
    const share = this.#grants.get(body.grantId);
    if (share === undefined) return;
    share.bytes -= body.bytes;
    share.bodies.delete(body);
    if (share.bodies.size === 0) this.#grants.delete(body.grantId);
  }
}
