import { privacyOf } from './address-guard.js';

/** Whether a request to the URL must not connect to an address that is not public. */
export type IsGuarded = (url: string) => boolean;

/**
 * The guard for requests that follow from a configured URL. It allows private addresses as far as that URL names them.
 *
 * - A URL with localhost or a private address allows every URL that it leads to.
 * - A host name whose addresses are all private allows only its own host and port: its owner can change the addresses.
 * - Any other URL allows none, not even itself: a name that was public may resolve to a private address later.
 */
export async function privateNetworkGuard(configuredUrl: string): Promise<IsGuarded> {
  const privacy = await privacyOf(configuredUrl);
  if (privacy === 'literal') return () => false;
  if (privacy === 'public') return () => true;
  const { host } = new URL(configuredUrl);
  return (url) => new URL(url).host !== host;
}

/**
 * The `guarded` option of `sendHubRequest`. If the configured URL allows this hub to be private, it is `'redirects'`:
 * redirects may go as far as the hub's own URL allows. Otherwise it is `true`.
 *
 * @param configuredUrl the target or the hub that the user configured
 */
export async function hubGuard(configuredUrl: string, hub: string): Promise<true | 'redirects'> {
  const isGuarded = await privateNetworkGuard(configuredUrl);
  return isGuarded(hub) ? true : 'redirects';
}
