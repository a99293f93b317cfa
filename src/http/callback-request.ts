import type { InFlightBytes } from './body/in-flight-bytes.js';

/** Why a body was not read to its end; `crowded-out`: others needed the room it held; `failed`: our own code did. */
export type BodyProblem = 'too-large' | 'stalled' | 'memory-limit' | 'aborted' | 'consumed' | 'failed';

/** A body read to its end, or why it was not. */
export type BodyRead = { readonly bytes: Uint8Array } | { readonly problem: BodyProblem };

/** How far and how long a body is read. */
export interface BodyLimits {
  readonly maxBodyBytes: number;
  readonly bodyTimeoutMs: number;
  /** The bytes that all bodies hold. */
  readonly inFlight: InFlightBytes;
}

export type OnChunk = (chunk: Uint8Array) => void;
export type OnRead = (read: BodyRead) => void;

/** Headers as they were sent. */
export type HeaderPairs = readonly (readonly [name: string, value: string])[];

/** A request on a callback, whatever server it came through. */
export interface CallbackRequest {
  readonly method: string;
  /** Path and query, as sent. */
  readonly target: string;
  /** A header by its lower-case name; several are joined by commas. */
  header(name: string): string | undefined;
  /** All headers as sent, made pairs of when they are asked for. */
  headers(): () => HeaderPairs;
  /**
   * Reads the body within its limits, handing over its bytes as they arrive, and in the end what it came to.
   *
   * @param grantId whom the bytes are counted for
   */
  read(limits: BodyLimits, grantId: string, onChunk: OnChunk, onRead: OnRead): void;
}
