/** How many bytes bodies may hold at the same time. */
export interface InFlightLimits {
  readonly maxInFlightBytes: number;
  readonly maxBodyBytes: number;
}

/** One grant may hold this share of all bytes in flight. */
const SHARE_OF_GRANT = 1 / 4;

/** The bytes of one body that is being received or decoded. */
export interface Hold {
  /** The body has made progress, and holds this many bytes now. Others may be cut off for it, never the body itself. */
  progress(bytes: number): void;
  /** The body holds nothing any more. Idempotent. */
  release(): void;
}

/** A hold as it is listed. */
interface Listed {
  readonly grantId: string;
  readonly cutOff: () => void;
  bytes: number;
}

/** The bodies of one grant, and the bytes they hold. */
interface GrantShare {
  bytes: number;
  readonly holds: Set<Listed>;
}

/**
 * Counts the bytes that all bodies in flight hold (PROTOCOL C6). When they are too many, the body without progress for longest
 * is cut off; so is one of a grant that holds more than its share. A body that is alone is never cut off.
 */
export class InFlightBytes {
  readonly #most: number;
  readonly #mostOfGrant: number;
  #bytes = 0;
  /** The one without progress for longest comes first. */
  readonly #holds = new Set<Listed>();
  readonly #grants = new Map<string, GrantShare>();
  /** The one that has just made progress: it is the last in both lists. */
  #latest: Listed | undefined;

  constructor({ maxInFlightBytes, maxBodyBytes }: InFlightLimits) {
    this.#most = maxInFlightBytes;
    this.#mostOfGrant = Math.max(maxInFlightBytes * SHARE_OF_GRANT, maxBodyBytes);
  }

  /** Bytes held by all bodies. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Begins to count a body. `cutOff` ends it; by then it is counted no longer. */
  hold(grantId: string, cutOff: () => void): Hold {
    const listed: Listed = { grantId, cutOff, bytes: 0 };
    const share = this.#grants.get(grantId) ?? { bytes: 0, holds: new Set() };
    this.#grants.set(grantId, share);
    this.#holds.add(listed);
    share.holds.add(listed);
    this.#latest = listed;
    return {
      progress: (bytes) => this.#progress(listed, bytes),
      release: () => this.#release(listed),
    };
  }

  #progress(listed: Listed, bytes: number): void {
    const share = this.#grants.get(listed.grantId);
    if (share === undefined || !share.holds.has(listed)) return;
    if (this.#latest !== listed) {
      this.#latest = listed;
      for (const holds of [this.#holds, share.holds]) {
        holds.delete(listed);
        holds.add(listed);
      }
    }
    const more = bytes - listed.bytes;
    if (more === 0) return;
    listed.bytes = bytes;
    share.bytes += more;
    this.#bytes += more;
    while (share.bytes > this.#mostOfGrant && share.holds.size > 1) this.#cutOffFirst(share.holds);
    while (this.#bytes > this.#most && this.#holds.size > 1) this.#cutOffFirst(this.#holds);
  }

  #cutOffFirst(holds: Set<Listed>): void {
    const [first] = holds;
    if (first === undefined) return;
    this.#release(first);
    first.cutOff();
  }

  #release(listed: Listed): void {
    if (!this.#holds.delete(listed)) return;
    if (this.#latest === listed) this.#latest = undefined;
    this.#bytes -= listed.bytes;
    const share = this.#grants.get(listed.grantId);
    if (share === undefined) return;
    share.bytes -= listed.bytes;
    share.holds.delete(listed);
    if (share.holds.size === 0) this.#grants.delete(listed.grantId);
  }
}
