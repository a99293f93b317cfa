import type { DiscoveryMethod } from './discovery-document.js';
import type { HubFaults } from '../faults/hub-faults.js';
import type { ContentHeaders } from '../delivery/content-distribution.js';
import type { Delivery } from '../delivery/delivery.js';

/** Options of published content. */
export interface PublishOptions {
  /** Content type of the request. @default the topic's */
  readonly contentType?: string;
  /**
   * Additional headers, for example `link` or `x-hub-signature`. One with the name of a hub header replaces it;
   * `undefined` removes it.
   */
  readonly headers?: ContentHeaders;
}

/** Something that distributes content: another `TestHub`. */
export interface Distributor {
  readonly url: string;
  distribute(topic: string, body: string | Uint8Array, options?: PublishOptions): Promise<Delivery[]>;
}

/** The redirect that a moved topic answers a GET with. */
export interface TopicMove {
  /** The `Location`, sent unchanged. */
  readonly to: string;
  /** Status of the redirect. @default 301 */
  readonly status?: 301 | 302 | 303 | 307 | 308 | undefined;
}

/**
 * Options of a topic: its document, its discovery, and the hub's faults for it.
 *
 * @example
 * hub.topic('/feed', { body: 'first', discovery: 'link-header', leaseSeconds: 60 });
 */
export interface TopicOptions extends HubFaults {
  /**
   * Content type of the served document and of published content.
   * @default the one that fits `discovery`, else 'text/plain; charset=utf-8'
   */
  readonly contentType?: string | undefined;
  /** Body that a GET returns until the first `publish()`. @default '' */
  readonly body?: string | Uint8Array | undefined;
  /**
   * How a GET names the hubs and the topic. `html`, `xml` and `json-feed` add the links to the served body. Subscribers
   * get the original body without them, byte for byte.
   * @default 'link-header'
   */
  readonly discovery?: DiscoveryMethod | undefined;
  /**
   * The hubs to name, in this order. A `TestHub` object also distributes the content published here; a URL is only
   * named.
   * @default this hub
   */
  readonly hubs?: ReadonlyArray<string | Distributor> | undefined;
  /**
   * The topic URL to name (`rel="self"`), which subscribers must subscribe to; `false` names none.
   * @default the topic's `url`
   */
  readonly self?: string | false | undefined;
  /** Status of a GET. A status other than 200 names no links. @default 200 */
  readonly status?: number | undefined;
  /** `Retry-After` of a `status` other than 200: seconds, or a date. @default none */
  readonly retryAfter?: number | Date | undefined;
  /** Redirects a GET. @default none */
  readonly moved?: TopicMove | undefined;
}
