import type { ReceivedContent } from '../../delivery/message/received-content.js';
import type { CollectedBytes } from '../body/collected-bytes.js';
import type { HeaderPairs } from '../callback-request.js';

/**
 * Genuine content from a hub. Its headers become pairs, and its body one piece, when they are first read: few handlers
 * read them.
 */
export class PushedContent implements ReceivedContent {
  readonly #body: CollectedBytes;
  readonly #decoded: Uint8Array | 'undecodable' | undefined;
  /** The headers, or the function that builds them. An event in the inbox keeps nothing else of its request. */
  #headers: HeaderPairs | (() => HeaderPairs);

  /** @param decoded the decoded bytes if the content has a `Content-Encoding`; 'undecodable' if decoding failed */
  constructor(headers: () => HeaderPairs, body: CollectedBytes, decoded?: Uint8Array | 'undecodable') {
    this.#headers = headers;
    this.#body = body;
    this.#decoded = decoded;
  }

  get headers(): HeaderPairs {
    if (typeof this.#headers === 'function') this.#headers = this.#headers();
    return this.#headers;
  }

  get raw(): Uint8Array {
    return this.#body.bytes();
  }

  get decoded(): Uint8Array | undefined {
    return this.#decoded === 'undecodable' ? undefined : this.#decoded;
  }

  get undecodable(): boolean {
    return this.#decoded === 'undecodable';
  }
}
