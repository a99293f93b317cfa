import type { CheckedDeliveryConfig, DeliveryConfig } from '../../delivery/delivery-config.js';
import type { DiscoveryConfig, HttpClientConfig } from '../../hub/http/http-config.js';
import type { HubProtocol } from '../../protocol/request-form.js';
import type { SignatureAlgorithm } from '../../protocol/signature.js';
import type { SubscriptionTarget } from '../../subscription/record/snapshot.js';
import type { InjectionToken } from '../services/tsyringe.js';

/** How signed content is judged. */
export interface SignatureConfig {
  /** Algorithms that are accepted. @default all four */
  readonly algorithms?: readonly SignatureAlgorithm[] | undefined;
  /** What the hub is told of content that is unsigned or wrongly signed: 403, or 202. @default 'reject' */
  readonly onFailure?: 'reject' | 'acknowledge' | undefined;
}

/** What a service subscribes to, and how. */
export interface SubscriberServiceConfig {
  /**
   * The URL to discover a hub from, or a hub and topic. `undefined` is an error, such as from an environment variable that is
   * not set: leave the field out to subscribe later with `runtime.subscribe()`. @default none
   */
  readonly target?: SubscriptionTarget | readonly [hub: string, topic: string];
  /** Several subscriptions of one service, in addition to `target`. `undefined` is an error, as with `target`. @default [] */
  readonly targets?: readonly SubscriptionTarget[];
  /** The service's stable name in the store. Set it where class names are minified. @default the class name */
  readonly name?: string | undefined;
  /** What the constructor is called with, in order, where the compiler emits no metadata. @default by metadata */
  readonly inject?: readonly InjectionToken[] | undefined;
  /** The lease asked for, in seconds. @default the hub decides */
  readonly leaseSeconds?: number | undefined;
  /**
   * What content is signed with: a string of 1 to 199 bytes, `'auto'` for 256 random bits per grant, or `false` for none.
   * @default 'auto' where the hub is reached over https, else none; none for `pubsubhubbub-0.3`
   */
  readonly secret?: string | false | undefined;
  /** The callback URL as the hub sees it; taken literally without `appendServicePath`. @default made of `publicUrl` */
  readonly callback?: string | undefined;
  /** Append the service path and a token to `callback`. @default false */
  readonly appendServicePath?: boolean | undefined;
  /** A fixed path prefix instead of the generated one; the whole path of a single subscription. @default generated */
  readonly servicePath?: string | undefined;
  /** Unsubscribe at the hub when the runtime stops. @default true */
  readonly unsubscribeOnShutdown?: boolean | undefined;
  /** Which advertised hubs to use: one, and the next when it fails, or all of them. @default 'failover' */
  readonly hubs?: 'failover' | 'all' | undefined;
  /** What the hub speaks. @default 'websub' */
  readonly protocol?: HubProtocol | undefined;
  /** How hubs are asked. */
  readonly httpConfig?: HttpClientConfig | undefined;
  /** How the target is asked for its hub. */
  readonly discoveryConfig?: DiscoveryConfig | undefined;
  /** Form fields added to (un)subscription requests. @default {} */
  readonly customParams?: Readonly<Record<string, string>> | undefined;
  /** Headers added to (un)subscription requests. Only the hub's own origin gets them. @default {} */
  readonly customHeaders?: Readonly<Record<string, string>> | undefined;
  /** Seconds a hub has for coming back to verify; then the attempt counts as failed. @default 60 */
  readonly verifyTimeoutSeconds?: number | undefined;
  /** Failed attempts in a row after which asking is given up, where no hub has granted it. @default unlimited */
  readonly maxAttempts?: number | undefined;
  /**
   * Whether a hub that denied a request is asked again, slowly. With `'stop'` nothing is asked before `retry(id)` once
   * every advertised hub has denied. @default 'retry'
   */
  readonly afterDenial?: 'retry' | 'stop' | undefined;
  /** `'renewal'`: each renewal uses a new secret. The old one is accepted for a day. Needs `secret: 'auto'`. @default 'never' */
  readonly rotateSecret?: 'never' | 'renewal' | undefined;
  /**
   * `'renewal'`: each renewal uses a new callback. The old one is accepted until the hub has been asked to leave it. Not for a
   * fixed callback. @default 'never'
   */
  readonly rotateCallback?: 'never' | 'renewal' | undefined;
  /** How news is handed to the handler. */
  readonly delivery?: DeliveryConfig | undefined;
  /** How signed content is judged. */
  readonly signature?: SignatureConfig | undefined;
}

/** A configuration found right, with its defaults; what has no default is `undefined` where it was not set. */
export interface CheckedServiceConfig {
  readonly name: string;
  /** `target` first, then `targets`. */
  readonly targets: readonly SubscriptionTarget[];
  readonly inject: readonly InjectionToken[] | undefined;
  readonly leaseSeconds: number | undefined;
  /** `'auto'`, a secret, or `false`; unset, the hub's scheme and the protocol decide. */
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
  /** `Infinity` where it was not set. */
  readonly maxAttempts: number;
  readonly afterDenial: 'retry' | 'stop';
  readonly rotateSecret: 'never' | 'renewal';
  readonly rotateCallback: 'never' | 'renewal';
  readonly delivery: CheckedDeliveryConfig;
  readonly signature: Required<SignatureConfig>;
}
