import type { BearerToken, DiscoveryConfig, HttpAuth, HttpClientConfig } from '../../../hub/http/http-config.js';
import { requestHeaders } from '../../../hub/request/request-headers.js';
import { MAX_TIMER_MS } from '../../../hub/http/deadline.js';
import { isRecord } from '../../../protocol/encoding/is-record.js';
import {
  checkFields,
  isWellFormed,
  describeType,
  listOf,
  numberOf,
  fieldOf,
  wrongField,
  wrongHiddenValue,
  type Check,
  type Place,
} from './field-checks.js';

/** Headers that the request itself sets. */
const REQUEST_HEADERS = new Set(['connection', 'content-length', 'content-type', 'host', 'transfer-encoding']);

function isHeader(name: string, value: string): boolean {
  try {
    return requestHeaders({}, { [name]: value }).has(name);
  } catch {
    return false;
  }
}

const nonEmptyString: Check<string> = (value, place) => {
  if (typeof value !== 'string' || value === '') throw wrongHiddenValue(place, value, 'a non-empty string');
  return value;
};

/** Checks headers to add to a request. Errors never show values: they may be credentials. */
export const headersToAdd = fieldsToAdd('header', (name, value, place) => {
  if (REQUEST_HEADERS.has(name.toLowerCase())) throw wrongField(place, 'is set by the request itself. Omit it');
  if (!isHeader(name, value))
    throw wrongField(place, 'is not a valid header. Use only characters that HTTP allows in names and values');
});

/** Checks form fields to add to a request. Errors never show values: they may be keys. */
export const paramsToAdd = fieldsToAdd('parameter', (name, value, place) => {
  if (name === '__proto__') throw wrongField(place, 'has a name that JavaScript reserves. Rename it');
  // The store would return a different text.
  if (!isWellFormed(name) || !isWellFormed(value)) throw wrongField(place, 'has an unpaired surrogate. Remove it');
});

function fieldsToAdd(
  kind: string,
  check: (name: string, value: string, place: Place) => void,
): Check<Readonly<Record<string, string>>> {
  return (value, place) => {
    if (!isRecord(value)) throw wrongHiddenValue(place, value, `an object of ${kind} names and values`);
    const entries = Object.entries(value).map(([name, content]): [string, string] => {
      if (name === '') throw wrongField(place, `has a ${kind} without a name. Name it or remove it`);
      if (typeof content !== 'string') throw wrongHiddenValue(fieldOf(place, name), content, 'a string');
      check(name, content, fieldOf(place, name));
      return [name, content];
    });
    return Object.freeze(Object.fromEntries(entries));
  };
}

/** Checks a bearer token, or a function that returns one. No error shows it. */
const bearerToken: Check<BearerToken> = (value, place) => {
  if (isTokenSource(value)) return value;
  if (typeof value !== 'string' || value === '') {
    throw wrongHiddenValue(place, value, 'a non-empty string, or a function that returns one');
  }
  if (!isHeader('authorization', value))
    throw wrongField(place, 'has characters that HTTP does not allow in a header. Remove them');
  return value;
};

function isTokenSource(value: unknown): value is Exclude<BearerToken, string> {
  return typeof value === 'function';
}

const authorization: Check<HttpAuth> = (value, place) => {
  const expected = '{ bearer } or { username, password }';
  const fields = { bearer: bearerToken, username: nonEmptyString, password: nonEmptyString };
  const { bearer, username, password } = checkFields(value, place, fields);
  if (bearer !== undefined && username === undefined && password === undefined) {
    return Object.freeze({ bearer });
  }
  if (bearer !== undefined || username === undefined || password === undefined) {
    throw wrongField(place, `must be either ${expected}, complete and not mixed`);
  }
  // RFC 7617 section 2: the first colon ends the user name.
  if (username.includes(':'))
    throw wrongField(fieldOf(place, 'username'), 'has a colon, which Basic authentication does not allow. Remove it');
  return Object.freeze({ username, password });
};

const dispatcher: Check<NonNullable<HttpClientConfig['dispatcher']>> = (value, place) => {
  if (!isDispatcher(value)) throw wrongHiddenValue(place, value, 'an undici Dispatcher, such as a ProxyAgent');
  return value;
};

function isDispatcher(value: unknown): value is NonNullable<HttpClientConfig['dispatcher']> {
  return isRecord(value) && typeof value['dispatch'] === 'function';
}

const HTTP_CLIENT = {
  timeoutMs: numberOf('milliseconds', { least: 1, most: MAX_TIMER_MS, whole: true }),
  headers: headersToAdd,
  auth: authorization,
  maxRedirects: numberOf('redirects', { least: 0, most: 20, whole: true }),
  dispatcher,
} satisfies Record<keyof HttpClientConfig, Check<unknown>>;

export const httpClient: Check<HttpClientConfig> = (value, place) =>
  Object.freeze(checkFields(value, place, HTTP_CLIENT));

/** Checks one value of a request header, or a list of values to join. */
function headerValues(name: string): Check<string | readonly string[]> {
  const one: Check<string> = (value, place) => {
    if (typeof value !== 'string' || value === '' || !isHeader(name, value)) {
      throw wrongField(place, `is ${describeType(value)}; it must be a non-empty string that HTTP allows in a header`);
    }
    return value;
  };
  const several = listOf(one, 'a list');
  return (value, place) => (Array.isArray(value) ? several(value, place) : one(value, place));
}

const DISCOVERY = {
  accept: headerValues('accept'),
  acceptLanguage: headerValues('accept-language'),
  httpConfig: httpClient,
} satisfies Record<keyof DiscoveryConfig, Check<unknown>>;

export const discovery: Check<DiscoveryConfig> = (value, place) => Object.freeze(checkFields(value, place, DISCOVERY));
