import { isLoopback } from '../protocol/loopback.js';

/** One of the URLs that a request went to: the hub, or where it redirected. */
export interface Hop {
  readonly url: string;
  /** Redirects followed so far. */
  readonly redirects: number;
  /** The hub to remember: its URL, or where an unbroken row of permanent redirects led. */
  readonly hub: string;
  /** Whether every redirect so far was permanent. */
  readonly permanent: boolean;
  /** Whether the caller's own headers and credentials still go along. */
  readonly withHeaders: boolean;
}

/** Why a redirect was not followed. */
export interface RedirectProblem {
  readonly reason: 'refused' | 'forbidden';
  readonly problem: string;
}

/** What decides whether a redirect is followed. */
export interface RedirectRules {
  /** The hub's URL as asked first. */
  readonly hub: string;
  readonly maxRedirects: number;
  /** Whether the body has a secret in it. */
  readonly hasSecret: boolean;
  readonly allowInsecureSecret: boolean;
}

/** The first hop, at the hub itself. */
export function firstHop(hub: string): Hop {
  return { url: hub, redirects: 0, hub, permanent: true, withHeaders: true };
}

/**
 * Where a 307 or 308 leads. What the caller added to the request follows to the hub's own origin and over https; once it
 * was left behind it does not come back.
 */
export function nextHop(
  hop: Hop,
  status: number,
  location: string | null,
  rules: RedirectRules,
): Hop | RedirectProblem {
  const url = redirectTarget(location, hop.url);
  if (url === undefined) {
    return { reason: 'refused', problem: `answered ${status} without a Location that can be followed` };
  }
  if (hop.redirects >= rules.maxRedirects) {
    return {
      reason: 'refused',
      problem: `answered ${status} once more than httpConfig.maxRedirects (${rules.maxRedirects}) allows, to ${url}`,
    };
  }
  const sameOrigin = new URL(url).origin === new URL(rules.hub).origin;
  if (rules.hasSecret && !(sameOrigin ? mayCarrySecret(url, rules.allowInsecureSecret) : isHttps(url))) {
    return { reason: 'forbidden', problem: `answered ${status}, but a secret does not follow to plain HTTP: ${url}` };
  }
  const permanent = hop.permanent && status === 308;
  return {
    url,
    redirects: hop.redirects + 1,
    hub: permanent ? url : hop.hub,
    permanent,
    withHeaders: hop.withHeaders && (sameOrigin || isHttps(url)),
  };
}

/** Whether a secret may be sent to a hub: over https, to one on this machine, or to any if that is allowed. */
export function mayCarrySecret(url: string, allowInsecureSecret: boolean): boolean {
  return allowInsecureSecret || isHttps(url) || isLoopback(url);
}

const isHttps = (url: string): boolean => new URL(url).protocol === 'https:';

function redirectTarget(location: string | null, from: string): string | undefined {
  if (location === null || !URL.canParse(location, from)) return undefined;
  const target = new URL(location, from);
  if (target.protocol !== 'https:' && target.protocol !== 'http:') return undefined;
  if (target.username !== '' || target.password !== '') return undefined;
  target.hash = '';
  return target.href;
}
