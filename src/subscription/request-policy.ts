import type { DiscoveryConfig, HttpClientConfig } from '../hub/http/http-config.js';
import type { HubProtocol } from '../protocol/request-form.js';
import type { SubscriptionRules } from './machine/transition-types.js';

/** How a service's subscriptions are requested: from its configuration and the runtime's options. */
export interface RequestPolicy {
  readonly rules: SubscriptionRules;
  /** A secret, `'auto'`, or `false` for none. Undefined: the hub's scheme and the protocol decide. */
  readonly secret: string | false | undefined;
  readonly protocol: HubProtocol;
  readonly httpConfig: HttpClientConfig;
  readonly discoveryConfig: DiscoveryConfig;
  readonly customParams: Readonly<Record<string, string>>;
  readonly customHeaders: Readonly<Record<string, string>>;
  readonly allowPrivateNetworks: boolean;
  readonly allowInsecureSecret: boolean;
  /** The public callback URL of a path. */
  readonly callbackOf: (path: string) => string;
  /** Whether all grants share one callback URL. Only one of them can work at a time. */
  readonly hasOneCallback: boolean;
  /** Creates the path of a new grant. `isTaken` tells whether a callback URL is in use. */
  readonly newPath: (isTaken: (callback: string) => boolean) => string;
}
