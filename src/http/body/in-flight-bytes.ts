/** How many bytes bodies may hold at the same time. */
export interface InFlightLimits {
  readonly maxInFlightBytes: number;
  readonly maxBodyBytes: number;
}

/** One grant may hold this share of all bytes in flight. */
const GRANT_SHARE = 1 / 4;

/** The bytes of one body that is being received or decoded. */
export interface BodyReservation {
  /** The body has made progress, and holds this many bytes now. Others may be cut off for it, never the body itself. */
  update(bytes: number): void;
  /** The body holds nothing any more. Idempotent. */
  release(): void;
}

/** A hold as it is listed. */
interface ReservedBody {
  readonly grantId: string;
  readonly evict: () => void;
  bytes: number;
}

/** The bodies of one grant, and the bytes they hold. */
interface GrantShare {
  bytes: number;
  readonly bodies: Set<ReservedBody>;
}

/**
 * Counts the bytes that all bodies in flight hold (PROTOCOL C6). When they are too many, the body without progress for longest
 * is cut off; so is one of a grant that holds more than its share. A body that is alone is never cut off.
 */
export class InFlightBytes {
  readonly #max: number;
  readonly #maxPerGrant: number;
  #bytes = 0;
  /** The one without progress for longest comes first. */
  readonly #bodies = new Set<ReservedBody>();
  readonly #grants = new Map<string, GrantShare>();
  /** The one that has just made progress: it is the last in both lists. */
  #latest: ReservedBody | undefined;

  constructor({ maxInFlightBytes, maxBodyBytes }: InFlightLimits) {
    this.#max = maxInFlightBytes;
    this.#maxPerGrant = Math.max(maxInFlightBytes * GRANT_SHARE, maxBodyBytes);
  }

  /** Bytes held by all bodies. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Begins to count a body. `cutOff` ends it; by then it is counted no longer. */
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
    const more = bytes - body.bytes;
    if (more === 0) return;
    body.bytes = bytes;
    share.bytes += more;
    this.#bytes += more;
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
