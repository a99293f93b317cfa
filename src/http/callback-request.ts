import type { CollectedBytes } from './body/collected-bytes.js';
import type { InFlightBytes } from './body/in-flight-bytes.js';

/**
 * Why a body was not read to its end. `memory-limit`: evicted in favor of other bodies. `consumed`: read by other code.
 * `failed`: our own code failed.
 */
export type BodyProblem = 'too-large' | 'stalled' | 'memory-limit' | 'aborted' | 'consumed' | 'failed';

/** A body that was read to its end, or the problem. */
export type BodyRead = { readonly body: CollectedBytes } | { readonly problem: BodyProblem };

/** Limits for the reading of a body. */
export interface BodyLimits {
  readonly maxBodyBytes: number;
  readonly bodyTimeoutMs: number;
  /** Counts the bytes of all bodies in flight. */
  readonly inFlight: InFlightBytes;
}

export type OnChunk = (chunk: Uint8Array) => void;
export type OnRead = (read: BodyRead) => void;

/** Headers as sent. */
export type HeaderPairs = readonly (readonly [name: string, value: string])[];

/** A request on a callback, from a node server or a fetch handler. */
export interface CallbackRequest {
  readonly method: string;
  /** Path and query, as sent. */
  readonly target: string;
  /** A header by its lower-case name. Several values are joined by commas. */
  header(name: string): string | undefined;
  /** Returns a function that builds the pairs of all headers when they are needed. */
  headers(): () => HeaderPairs;
  /**
   * Reads the body within its limits. Passes each chunk to `onChunk` and the result to `onRead`.
   *
   * @param grantId the grant that the bytes are counted for
   */
  read(limits: BodyLimits, grantId: string, onChunk: OnChunk, onRead: OnRead): void;
}
