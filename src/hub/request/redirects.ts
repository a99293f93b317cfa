import { withoutCredentials } from '../../protocol/http-url.js';
import { isLoopback } from '../../protocol/loopback.js';
import type { Redactor } from '../redaction/hub-text.js';
import { canSendCredentials } from '../http/origin.js';
import { REDIRECT_PROBLEM } from './initiation-error.js';

/** One URL of a request: the hub, or the target of a redirect. */
export interface Hop {
  readonly url: string;
  /** Redirects followed so far. */
  readonly redirects: number;
  /** The hub to use from now on: the requested hub, or where 308 redirects led before any 307. */
  readonly hub: string;
  /** Whether every redirect so far was permanent. */
  readonly isPermanent: boolean;
  /** Whether the configured headers and credentials are sent to this URL. */
  readonly sendsHeaders: boolean;
}

/** Why a redirect was not followed. */
export interface RedirectProblem {
  readonly reason: 'refused' | 'forbidden';
  readonly problem: string;
}

/** The rules for following redirects. */
export interface RedirectRules {
  /** The requested hub. */
  readonly hub: string;
  /** The hub as advertised or configured. Only its origin, and the https form of that, get headers and credentials. */
  readonly credentialsFor: string;
  readonly maxRedirects: number;
  /** The confidential form fields of the request, by the name of their option. */
  readonly confidentialFields: readonly ConfidentialField[];
  readonly allowInsecureSecret: boolean;
}

/** Form fields that follow a redirect only to https, to loopback, or to the hub's own origin. */
export type ConfidentialField = 'secret' | 'verifyToken' | 'customParams';

/** The first hop: the requested hub. */
export function firstHop({ hub, credentialsFor }: Pick<RedirectRules, 'hub' | 'credentialsFor'>): Hop {
  return { url: hub, redirects: 0, hub, isPermanent: true, sendsHeaders: canSendCredentials(hub, credentialsFor) };
}

/**
 * The next hop of a 307 or 308.
 *
 * Headers and credentials go to the origin of `credentialsFor` only. Once dropped, they stay dropped. Secrets, verify
 * tokens and custom parameters follow only over https, to loopback, or to the hub's own origin.
 */
export function nextHop(
  hop: Hop,
  status: number,
  location: string | null,
  rules: RedirectRules,
): Hop | RedirectProblem {
  const url = redirectTarget(location, hop.url);
  if (url === undefined) return { reason: 'refused', problem: REDIRECT_PROBLEM.badLocation(status) };
  if (hop.redirects >= rules.maxRedirects) {
    return { reason: 'refused', problem: REDIRECT_PROBLEM.tooMany(status, url, rules.maxRedirects) };
  }
  const unsafeField = rules.confidentialFields.find((field) => !canFollow(field, url, rules));
  if (unsafeField !== undefined) {
    return { reason: 'forbidden', problem: REDIRECT_PROBLEM.insecure(status, url, unsafeField) };
  }
  const isPermanent = hop.isPermanent && status === 308;
  return {
    url,
    redirects: hop.redirects + 1,
    hub: isPermanent ? url : hop.hub,
    isPermanent,
    sendsHeaders: hop.sendsHeaders && canSendCredentials(url, rules.credentialsFor),
  };
}

/** The redacted `Location` of a 301, 302 or 303, which are not followed; undefined for other statuses. */
export function unfollowedLocation(
  hop: Hop,
  status: number,
  location: string | null,
  redact: Redactor,
): string | null | undefined {
  if (status < 301 || status > 303) return undefined;
  return location === null ? null : redact(locationOf(location, hop.url));
}

function locationOf(location: string, from: string): string {
  return withoutCredentials(URL.canParse(location, from) ? new URL(location, from).href : location);
}

function canFollow(field: ConfidentialField, url: string, { hub, allowInsecureSecret }: RedirectRules): boolean {
  if (isHttps(url) || isLoopback(url)) return true;
  // The hub's origin has already received these fields.
  return new URL(url).origin === new URL(hub).origin && (field !== 'secret' || allowInsecureSecret);
}

/** Whether a secret may be sent to a URL: over https, to this machine, or anywhere if the user allows it. */
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
