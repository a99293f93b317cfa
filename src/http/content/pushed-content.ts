import type { ReceivedContent } from '../../delivery/message/received-content.js';
import type { HeaderPairs } from '../callback-request.js';

/** Genuine content from a hub. Its headers become pairs when they are first read: few handlers read them. */
export class PushedContent implements ReceivedContent {
  readonly raw: Uint8Array;
  readonly #decoded: Uint8Array | 'undecodable' | undefined;
  /** The headers, or the function that builds them. An event in the inbox keeps nothing else of its request. */
  #headers: HeaderPairs | (() => HeaderPairs);

  /** @param decoded the decoded bytes if the content has a `Content-Encoding`; 'undecodable' if decoding failed */
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
