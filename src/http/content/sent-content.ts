import type { GenuineContent } from '../../delivery/message/received-content.js';
import type { HeaderPairs } from '../callback-request.js';

/** Content as it was sent, and found genuine. Its headers are made pairs of when they are asked for: few handlers do. */
export class SentContent implements GenuineContent {
  readonly raw: Uint8Array;
  readonly decoded: Uint8Array | undefined;
  readonly undecodable: boolean;
  readonly #headers: () => HeaderPairs;
  #pairs: HeaderPairs | undefined;

  /** @param decoded without its `Content-Encoding`, where that could be undone; 'undecodable' where it could not */
  constructor(headers: () => HeaderPairs, raw: Uint8Array, decoded?: Uint8Array | 'undecodable') {
    this.#headers = headers;
    this.raw = raw;
    this.decoded = decoded === 'undecodable' ? undefined : decoded;
    this.undecodable = decoded === 'undecodable';
  }

  get headers(): HeaderPairs {
    return (this.#pairs ??= this.#headers());
  }
}
