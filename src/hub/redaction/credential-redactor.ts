import { ResourceDiscoveryFailedError } from '../../errors.js';
import { discoveryError, shortenUrls } from '../discovery/discovery-error.js';
import { secretRedactor } from './hub-text.js';

/** Names of headers that carry a credential. */
const CREDENTIAL_HEADER = /auth|cookie|credential|key|passw|secret|session|signature|token/i;

/** Characters from which on a value other than of an authorization may be a credential: a short one is a word. */
const MIN_CREDENTIAL_LENGTH = 8;

/** Takes the credentials in headers that are sent out of texts: a publisher may send them back, in a redirect for instance. */
export function credentialRedactor(headers: Headers): (text: string) => string {
  const credentials = [...headers]
    .filter(([name]) => CREDENTIAL_HEADER.test(name))
    .flatMap(([name, value]) => {
      const values = credentialsIn(name, value);
      return /authorization$/i.test(name) ? values : values.filter(({ length }) => length >= MIN_CREDENTIAL_LENGTH);
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
export function sanitizeError(error: unknown, redact: (text: string) => string): unknown {
  if (!(error instanceof ResourceDiscoveryFailedError)) return error;
  const { message, reason, status, retryAfterSeconds, cause } = error;
  const hidden = redact(message);
  // Cut after hiding: the rest of a credential that is cut would not be recognized.
  const shortened = shortenUrls(hidden);
  if (shortened === message) return error;
  const canKeepCause = hidden === message && cause !== undefined;
  return discoveryError(reason, shortened, { status, retryAfterSeconds, ...(canKeepCause ? { cause } : {}) });
}
