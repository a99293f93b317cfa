import { ResourceDiscoveryFailedError } from '../../errors.js';
import { discoveryError, shortenUrls } from '../discovery/discovery-error.js';
import { secretRedactor } from './hub-text.js';

/** Matches names of headers that carry a credential. */
const CREDENTIAL_HEADER = /auth|cookie|credential|key|passw|secret|session|signature|token/i;

/** Minimum length of a credential, in characters: a shorter value is a word. Authorization headers have no minimum. */
const MIN_CREDENTIAL_LENGTH = 8;

/** Redacts the credentials of sent headers from texts: a publisher may echo them, such as in a redirect. */
export function credentialRedactor(headers: Headers): (text: string) => string {
  const credentials = [...headers]
    .filter(([name]) => CREDENTIAL_HEADER.test(name))
    .flatMap(([name, value]) => {
      const values = credentialsIn(name, value);
      return /authorization$/i.test(name) ? values : values.filter(({ length }) => length >= MIN_CREDENTIAL_LENGTH);
    });
  return credentials.length === 0 ? (text) => text : secretRedactor(credentials);
}

/** The secret parts of a header's value, without cookie names or the scheme of an authorization. */
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
 * The error with credentials redacted from its message, and long URLs cut: a publisher may write kilobytes of them. The
 * cause is dropped if its message may contain a credential.
 */
export function sanitizeError(error: unknown, redact: (text: string) => string): unknown {
  if (!(error instanceof ResourceDiscoveryFailedError)) return error;
  const { message, reason, status, retryAfterSeconds, cause } = error;
  const redacted = redact(message);
  // Redact before cutting: part of a cut credential would not be recognized.
  const shortened = shortenUrls(redacted);
  if (shortened === message) return error;
  const canKeepCause = redacted === message && cause !== undefined;
  return discoveryError(reason, shortened, { status, retryAfterSeconds, ...(canKeepCause ? { cause } : {}) });
}
