import { describe, expect, it } from 'vitest';
import { ConfigurationError } from '../../../src/errors.js';
import {
  credentialsOf,
  hasCredentials,
  requestHeaders,
  withBearerToken,
} from '../../../src/hub/request/request-headers.js';

describe('the headers of a request', () => {
  it('S1 are those of the configuration, then those of the request', () => {
    const headers = requestHeaders({ headers: { 'X-A': '1', 'X-B': '1' } }, { 'x-b': '2' });
    expect(Object.fromEntries(headers)).toEqual({ 'x-a': '1', 'x-b': '2' });
  });

  it('include a bearer token in place of any other Authorization', () => {
    const headers = requestHeaders({ auth: { bearer: 'token' }, headers: { authorization: 'other' } });
    expect(headers.get('authorization')).toBe('Bearer token');
  });

  it('include a user name and password as UTF-8 (RFC 7617)', () => {
    const headers = requestHeaders({ auth: { username: 'test', password: '123£' } });
    expect(headers.get('authorization')).toBe('Basic dGVzdDoxMjPCow==');
  });

  it('refuse a user name with a colon', () => {
    expect(() => requestHeaders({ auth: { username: 'a:b', password: '' } })).toThrow(ConfigurationError);
  });

  it.each([
    [{ headers: { 'x y': 'token-1' } }, {}, 'httpConfig.headers: "x y"'],
    [{}, { 'x-y': 'token-1\nx' }, 'customHeaders: "x-y"'],
    [{ auth: { bearer: 'token-1\u0001' } }, {}, 'httpConfig.auth: "authorization"'],
  ])('refuse a value that a header cannot carry, without showing it (%#)', (config, customHeaders, beginning) => {
    const build = (): unknown => requestHeaders(config, customHeaders);
    expect(build).toThrow(ConfigurationError);
    expect(build).toThrow(beginning);
    expect(build).not.toThrow(/token-1/);
  });

  it('include the token of a function only once it has returned', () => {
    const headers = requestHeaders({ auth: { bearer: () => 'later' }, headers: { 'x-a': '1' } });
    expect(headers.has('authorization')).toBe(false);
    expect(Object.fromEntries(withBearerToken(headers, 'now'))).toEqual({ 'x-a': '1', authorization: 'Bearer now' });
    expect(credentialsOf({ auth: { bearer: () => 'later' } })).toEqual([]);
  });

  it.each([
    [{}, {}, false],
    [{ headers: {}, timeoutMs: 5 }, {}, false],
    [{ headers: { cookie: 'a=b' } }, {}, true],
    [{ auth: { bearer: 'token' } }, {}, true],
    [{}, { 'x-own': '1' }, true],
  ])('S5 from %j and %j are for one origin only: %s', (config, customHeaders, expected) => {
    expect(hasCredentials(config, customHeaders)).toBe(expected);
  });

  it('have credentials that are redacted in the form in which they are sent', () => {
    expect(credentialsOf({})).toEqual([]);
    expect(credentialsOf({ auth: { bearer: 'token' } })).toEqual(['token']);
    expect(credentialsOf({ auth: { username: 'test', password: '123£' } })).toEqual(['123£', 'dGVzdDoxMjPCow==']);
  });
});
