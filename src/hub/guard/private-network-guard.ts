import { privacyOf } from './address-guard.js';

/** Whether a request to a URL is to be refused where it would lead to an address that is not public. */
export type IsGuarded = (url: string) => boolean;

/**
 * How far the URL that a user gave vouches for addresses that are not public. One that has such an address written in it,
 * or localhost, vouches for all that it leads to. A name all of whose addresses are private vouches for its own host and
 * port alone, as whoever answers for the name could change the answer. Any other URL vouches for nothing, itself
 * included: a name that is public when it is judged cannot be private when it is connected to.
 */
export async function privateNetworkGuard(configuredUrl: string): Promise<IsGuarded> {
  const privacy = await privacyOf(configuredUrl);
  if (privacy === 'literal') return () => false;
  if (privacy === 'public') return () => true;
  const { host } = new URL(configuredUrl);
  return (url) => new URL(url).host !== host;
}

/**
 * The guard of a request to a hub, as `sendHubRequest` takes it: up, unless the URL that the user gave vouches for the
 * hub; then the hub's redirects go as far as the hub itself vouches.
 *
 * @param configuredUrl the target, or the hub that the user named
 */
export async function hubGuard(configuredUrl: string, hub: string): Promise<true | 'redirects'> {
  const isGuarded = await privateNetworkGuard(configuredUrl);
  return isGuarded(hub) ? true : 'redirects';
}
