import { withoutCredentials } from '../../protocol/http-url.js';
import { isLoopback } from '../../protocol/loopback.js';
import type { Redactor } from '../redaction/hub-text.js';
import { canSendCredentials } from '../http/origin.js';

/** One of the URLs that a request went to: the hub, or where it redirected. */
export interface Hop {
  readonly url: string;
  /** Redirects followed so far. */
  readonly redirects: number;
  /** The hub to remember: its URL, or where an unbroken row of permanent redirects led. */
  readonly hub: string;
  /** Whether every redirect so far was permanent. */
  readonly isPermanent: boolean;
  /** Whether the caller's own headers and credentials still go along. */
  readonly sendsHeaders: boolean;
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
  /** The hub as it was advertised or given: headers and credentials are for its origin. */
  readonly credentialsFor: string;
  readonly maxRedirects: number;
  /** Secret form fields, by the name of their option. */
  readonly confidentialFields: readonly ConfidentialField[];
  readonly allowInsecureSecret: boolean;
}

/** Form fields that are sent on over https only. */
export type ConfidentialField = 'secret' | 'verifyToken' | 'customParams';

/** The first hop: where the hub was last found. */
export function firstHop({ hub, credentialsFor }: Pick<RedirectRules, 'hub' | 'credentialsFor'>): Hop {
  return { url: hub, redirects: 0, hub, isPermanent: true, sendsHeaders: canSendCredentials(hub, credentialsFor) };
}

/**
 * The next hop of a 307 or 308. Headers and credentials are sent to their own origin only; once dropped they stay dropped.
 * Secrets, verify tokens and custom parameters are sent over https and to loopback.
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
  const unsafeField = rules.confidentialFields.find((what) => !canFollow(what, url, rules));
  if (unsafeField !== undefined) {
    return {
      reason: 'forbidden',
      problem: `answered ${status}, but ${unsafeField} must not follow to plain HTTP: ${url}`,
    };
  }
  const permanent = hop.isPermanent && status === 308;
  return {
    url,
    redirects: hop.redirects + 1,
    hub: permanent ? url : hop.hub,
    isPermanent: permanent,
    sendsHeaders: hop.sendsHeaders && canSendCredentials(url, rules.credentialsFor),
  };
}

/** The part of a message that names the `Location` of a 301, 302 or 303, which is not followed; empty for other statuses. */
export function unfollowedRedirectText(hop: Hop, status: number, location: string | null, redact: Redactor): string {
  if (status < 301 || status > 303) return '';
  return ` with ${location === null ? 'no Location' : `the Location ${redact(locationOf(location, hop.url))}`}; only 307 and 308 are followed`;
}

function locationOf(location: string, from: string): string {
  return withoutCredentials(URL.canParse(location, from) ? new URL(location, from).href : location);
}

function canFollow(field: ConfidentialField, url: string, { hub, allowInsecureSecret }: RedirectRules): boolean {
  if (isHttps(url) || isLoopback(url)) return true;
  // The hub's own origin has been sent them already.
  return new URL(url).origin === new URL(hub).origin && (field !== 'secret' || allowInsecureSecret);
}

/** Whether a secret may be sent to a hub: over https, to one on this machine, or to any if that is allowed. */
export function canSendSecret(url: string, allowInsecureSecret: boolean): boolean {
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
