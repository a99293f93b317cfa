import type { ReceivedContent } from '../../delivery/message/received-content.js';
import type { HeaderPairs } from '../callback-request.js';

/** Genuine content that a hub sent. Its headers become pairs when they are first read: few handlers read them. */
export class SentContent implements ReceivedContent {
  readonly raw: Uint8Array;
  readonly #decoded: Uint8Array | 'undecodable' | undefined;
  /** What makes them, until they are made: an event in the inbox keeps nothing else of its request. */
  #headers: HeaderPairs | (() => HeaderPairs);

  /** @param decoded the bytes without their `Content-Encoding`, if that could be undone; 'undecodable' if not */
  constructor(headers: () => HeaderPairs, raw: Uint8Array, decoded?: Uint8Array | 'undecodable') {
    this.#headers = headers;
    this.raw = raw;
    this.#decoded = decoded;
  }

  get headers(): HeaderPairs {
    if (typeof this.#headers === 'function') this.#headers = this.#headers();
    return this.#headers;
  }

  get decoded(): Uint8Array | undefined {
    return this.#decoded === 'undecodable' ? undefined : this.#decoded;
  }

  get undecodable(): boolean {
    return this.#decoded === 'undecodable';
  }
}
