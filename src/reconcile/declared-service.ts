import type { SubscriptionTarget } from '../subscription/record/snapshot.js';

/** The configuration fields that decide which subscriptions a service has, and under which callbacks. */
export interface DeclaredService {
  readonly name: string;
  /** The targets that the code declares. */
  readonly targets: readonly SubscriptionTarget[];
  /** `'auto'`, a secret, or `false`. Undefined: the hub's scheme and the protocol decide. */
  readonly secret: string | false | undefined;
  /** The callback URL as the hub sees it. Undefined: made from the public URL. */
  readonly callback: string | undefined;
  readonly appendServicePath: boolean;
  /** Path segments without a leading or trailing slash. */
  readonly servicePath: string | undefined;
}
