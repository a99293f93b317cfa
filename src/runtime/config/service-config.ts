import type { CheckedDeliveryConfig, DeliveryConfig } from '../../delivery/delivery-config.js';
import type { DiscoveryConfig, HttpClientConfig } from '../../hub/http/http-config.js';
import type { HubProtocol } from '../../protocol/request-form.js';
import type { SignatureAlgorithm } from '../../protocol/signature.js';
import type { SubscriptionTarget } from '../../subscription/record/snapshot.js';
import type { InjectionToken } from '../services/tsyringe.js';

/** How signatures of content are verified (WebSub section 7.1). */
export interface SignatureConfig {
  /** Accepted algorithms. @default ['sha1', 'sha256', 'sha384', 'sha512'] */
  readonly algorithms?: readonly SignatureAlgorithm[] | undefined;
  /**
   * The answer to content with a missing or wrong signature: `'reject'` answers 403, `'acknowledge'` answers 202. The
   * handler gets neither. @default 'reject'
   */
  readonly onFailure?: 'reject' | 'acknowledge' | undefined;
}

/**
 * The configuration of a service: its targets, and how it subscribes and receives.
 *
 * @example
 * ```ts
 * @SubscriberService({ target: 'https://example.com/feed', delivery: { mode: 'queued', dedupe: 'entries' } })
 * class FeedReader {
 *   async onEventNotification(event: ContentDistributionMessage) {}
 * }
 * ```
 */
export interface SubscriberServiceConfig {
  /**
   * The URL to discover a hub from, or a known hub and topic. To subscribe later with `runtime.subscribe()`, omit the
   * field: `undefined` is an error, because it usually comes from an unset environment variable. @default none
   */
  readonly target?: SubscriptionTarget | readonly [hub: string, topic: string];
  /** More targets, each with its own subscription. `undefined` is an error, as with `target`. @default [] */
  readonly targets?: readonly SubscriptionTarget[];
  /** The stable name of the service in the store. Set it if class names are minified. @default the class name */
  readonly name?: string | undefined;
  /** Tokens of the constructor arguments, in order. Needed without emitted metadata. @default from metadata */
  readonly inject?: readonly InjectionToken[] | undefined;
  /** The lease to request, in seconds. @default the hub decides */
  readonly leaseSeconds?: number | undefined;
  /**
   * The secret that hubs sign content with: a string of 1 to 199 bytes, `'auto'` for 256 random bits per grant, or
   * `false` for none. @default 'auto' for hubs on https, none for hubs on http and for `pubsubhubbub-0.3`
   */
  readonly secret?: string | false | undefined;
  /** The callback URL as hubs see it. Used unchanged without `appendServicePath`. @default built from `publicUrl` */
  readonly callback?: string | undefined;
  /** Appends the service path and a token to `callback`. @default false */
  readonly appendServicePath?: boolean | undefined;
  /**
   * A fixed path before the token. With at most one declared target, the first callback is this path without a token.
   * @default none: a token alone
   */
  readonly servicePath?: string | undefined;
  /** Unsubscribes at the hub when the runtime stops. @default true */
  readonly unsubscribeOnShutdown?: boolean | undefined;
  /** Which advertised hubs to use: one at a time, with failover to the next, or all of them. @default 'failover' */
  readonly hubs?: 'failover' | 'all' | undefined;
  /** The protocol of the hub. @default 'websub' */
  readonly protocol?: HubProtocol | undefined;
  /** The HTTP client for requests to hubs. @default {} */
  readonly httpConfig?: HttpClientConfig | undefined;
  /** How hubs are discovered from the target (WebSub section 4). @default {} */
  readonly discoveryConfig?: DiscoveryConfig | undefined;
  /** Form fields to add to subscribe and unsubscribe requests. @default {} */
  readonly customParams?: Readonly<Record<string, string>> | undefined;
  /** Headers to add to subscribe and unsubscribe requests. Only the hub's own origin gets them. @default {} */
  readonly customHeaders?: Readonly<Record<string, string>> | undefined;
  /** Seconds a hub may take to verify. Then the attempt counts as failed. @default 60 */
  readonly verifyTimeoutSeconds?: number | undefined;
  /** Failed attempts in a row until a subscription without a grant gives up. @default unlimited */
  readonly maxAttempts?: number | undefined;
  /**
   * Whether to request again after a denial. `'retry'` requests again, slowly. `'stop'` waits for `retry(id)` once
   * every advertised hub has denied. @default 'retry'
   */
  readonly afterDenial?: 'retry' | 'stop' | undefined;
  /**
   * `'renewal'` uses a new secret for each renewal. The old secret is accepted for one more day. Not possible with a
   * fixed secret or `false`. @default 'never'
   */
  readonly rotateSecret?: 'never' | 'renewal' | undefined;
  /**
   * `'renewal'` uses a new callback for each renewal. The old callback works until the request to unsubscribe it was
   * sent. Not possible with a fixed callback. @default 'never'
   */
  readonly rotateCallback?: 'never' | 'renewal' | undefined;
  /** How events are delivered to the handler. @default {} */
  readonly delivery?: DeliveryConfig | undefined;
  /** How signatures of content are verified. @default {} */
  readonly signature?: SignatureConfig | undefined;
}

/** A valid configuration with defaults. A field without a default is `undefined` if it was not set. */
export interface CheckedServiceConfig {
  readonly name: string;
  /** `target` first, then `targets`. */
  readonly targets: readonly SubscriptionTarget[];
  readonly inject: readonly InjectionToken[] | undefined;
  readonly leaseSeconds: number | undefined;
  /** `'auto'`, a secret, or `false`. If `undefined`, the hub's scheme and the protocol decide. */
  readonly secret: string | false | undefined;
  readonly callback: string | undefined;
  readonly appendServicePath: boolean;
  /** Segments without a leading or trailing slash. */
  readonly servicePath: string | undefined;
  readonly unsubscribeOnShutdown: boolean;
  readonly hubs: 'failover' | 'all';
  readonly protocol: HubProtocol;
  readonly httpConfig: HttpClientConfig;
  readonly discoveryConfig: DiscoveryConfig;
  readonly customParams: Readonly<Record<string, string>>;
  readonly customHeaders: Readonly<Record<string, string>>;
  readonly verifyTimeoutSeconds: number;
  /** `Infinity` if it was not set. */
  readonly maxAttempts: number;
  readonly afterDenial: 'retry' | 'stop';
  readonly rotateSecret: 'never' | 'renewal';
  readonly rotateCallback: 'never' | 'renewal';
  readonly delivery: CheckedDeliveryConfig;
  readonly signature: Required<SignatureConfig>;
}
