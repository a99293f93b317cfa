import type { DiscoveryMethod } from './discovery-document.js';
import type { HubFaults } from '../faults/hub-faults.js';
import type { ContentHeaders } from '../delivery/content-distribution.js';
import type { Delivery } from '../delivery/delivery.js';

/** How content is sent. */
export interface PublishOptions {
  /** @default the topic's */
  readonly contentType?: string;
  /**
   * Sent besides the hub's own headers, and in place of one with the same name: `link`, `x-hub-signature`. `undefined` leaves
   * that one out.
   */
  readonly headers?: ContentHeaders;
}

/** Something that distributes content: another `TestHub`. */
export interface Distributor {
  readonly url: string;
  distribute(topic: string, body: string | Uint8Array, options?: PublishOptions): Promise<Delivery[]>;
}

/** A topic that has moved: what a GET of it answers. */
export interface TopicMove {
  /** The `Location`, sent as it is. */
  readonly to: string;
  /** @default 301 */
  readonly status?: 301 | 302 | 303 | 307 | 308 | undefined;
}

/** A topic, how it is discovered, and how the hub behaves for it. */
export interface TopicOptions extends HubFaults {
  /** Of what a GET shows and of what is published. @default what fits `discovery`, else 'text/plain; charset=utf-8' */
  readonly contentType?: string | undefined;
  /** What a GET shows until something is published. @default '' */
  readonly body?: string | Uint8Array | undefined;
  /**
   * Where a GET names the hubs and the topic. With `html`, `xml` and `json-feed` the links are added to the body as it is
   * served; what is sent to subscribers is the body alone, to the byte.
   * @default 'link-header'
   */
  readonly discovery?: DiscoveryMethod | undefined;
  /**
   * The hubs named, in this order. Another `TestHub` given as itself also distributes what is published here; a URL is only
   * named.
   * @default this hub
   */
  readonly hubs?: ReadonlyArray<string | Distributor> | undefined;
  /** The topic URL named (`rel="self"`), which subscribers are to ask for; `false` names none. @default the topic's `url` */
  readonly self?: string | false | undefined;
  /** What a GET is answered with. Others than 200 name no links. @default 200 */
  readonly status?: number | undefined;
  /** `Retry-After` of a `status` other than 200: seconds, or a date. @default none */
  readonly retryAfter?: number | Date | undefined;
  /** Where a GET is redirected to. @default nowhere */
  readonly moved?: TopicMove | undefined;
}
