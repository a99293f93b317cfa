import { ResourceDiscoveryFailedError } from '../../errors.js';
import { discoveryFailure, withShortUrls } from '../discovery/discovery-error.js';
import { secretRedactor } from './hub-text.js';

/** Names of headers that carry a credential. */
const CREDENTIAL = /auth|cookie|credential|key|passw|secret|session|signature|token/i;

/** Characters from which on a value other than of an authorization may be a credential: a short one is a word. */
const SHORTEST = 8;

/** Takes the credentials in headers that are sent out of texts: a publisher may send them back, in a redirect for instance. */
export function credentialRedactor(headers: Headers): (text: string) => string {
  const credentials = [...headers]
    .filter(([name]) => CREDENTIAL.test(name))
    .flatMap(([name, value]) => {
      const values = credentialsIn(name, value);
      return /authorization$/i.test(name) ? values : values.filter(({ length }) => length >= SHORTEST);
    });
  return credentials.length === 0 ? (text) => text : secretRedactor(credentials);
}

/** The secret part of a header's value: without a cookie's name or the scheme of an authorization. */
export function credentialsIn(name: string, value: string): readonly string[] {
  const header = name.toLowerCase();
  if (header === 'cookie') return value.split(';').map((cookie) => cookie.slice(cookie.indexOf('=') + 1).trim());
  const [, scheme, credential] = /^(\S+) +(\S.*)$/.exec(value) ?? [];
  if (scheme === undefined || credential === undefined) return [value];
  return scheme.toLowerCase() === 'basic' ? [credential, passwordOf(credential)] : [credential];
}

function passwordOf(credential: string): string {
  const pair = Buffer.from(credential, 'base64').toString('utf8');
  return pair.slice(pair.indexOf(':') + 1);
}

/**
 * A failure whose message has no credential in it, and no URL of full length: a publisher may write kilobytes of them. Its
 * cause is left out where it may have a credential.
 */
export function presentable(error: unknown, hide: (text: string) => string): unknown {
  if (!(error instanceof ResourceDiscoveryFailedError)) return error;
  const { message, reason, status, retryAfterSeconds, cause } = error;
  const hidden = hide(message);
  // Cut after hiding: the rest of a credential that is cut would not be recognized.
  const shown = withShortUrls(hidden);
  if (shown === message) return error;
  const mayTellCause = hidden === message && cause !== undefined;
  return discoveryFailure(reason, shown, { status, retryAfterSeconds, ...(mayTellCause ? { cause } : {}) });
}
