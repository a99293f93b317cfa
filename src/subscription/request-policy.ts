import type { DiscoveryConfig, HttpClientConfig } from '../hub/http/http-config.js';
import type { HubProtocol } from '../protocol/request-form.js';
import type { SubscriptionRules } from './machine/events.js';

/** What a service's configuration and the runtime's options say about asking for its subscriptions. */
export interface RequestPolicy {
  readonly rules: SubscriptionRules;
  /** A secret, `'auto'`, or `false`; undefined lets the hub's scheme and the protocol decide. */
  readonly secret: string | false | undefined;
  readonly protocol: HubProtocol;
  readonly httpConfig: HttpClientConfig;
  readonly discoveryConfig: DiscoveryConfig;
  readonly customParams: Readonly<Record<string, string>>;
  readonly customHeaders: Readonly<Record<string, string>>;
  readonly allowPrivateNetworks: boolean;
  readonly allowInsecureSecret: boolean;
  /** The callback URL of a path, as the hub is to see it. */
  readonly callbackOf: (path: string) => string;
  /** Whether every grant would have the same callback, so that there can be one alone. */
  readonly hasOneCallback: boolean;
  /** The path of a grant that is made now; told whether a callback URL is in use. */
  readonly newPath: (isTaken: (callback: string) => boolean) => string;
}
