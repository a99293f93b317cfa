import { describe, expect, it } from 'vitest';
import { ConfigurationError } from '../../../../src/errors.js';
import { checkServiceConfig } from '../../../../src/runtime/config/check-config.js';

function problem(config: unknown): string {
  try {
    Reflect.apply(checkServiceConfig, undefined, ['News', config]);
  } catch (error) {
    if (error instanceof ConfigurationError) return error.message;
    throw error;
  }
  throw new Error('The configuration was accepted.');
}

describe('the request options', () => {
  it.each<[config: object, message: string]>([
    [{ httpConfig: 'hush' }, 'httpConfig is a string; it must be an object.'],
    [
      { httpConfig: { timeoutMs: 0 } },
      'httpConfig.timeoutMs is 0; it must be a whole number of milliseconds, from 1 to',
    ],
    [{ httpConfig: { timeoutMs: 2 ** 31 } }, 'httpConfig.timeoutMs is 2147483648; it must be'],
    [{ httpConfig: { timeout: 5 } }, 'httpConfig.timeout is not a known field (did you mean timeoutMs?)'],
    [
      { httpConfig: { maxRedirects: 21 } },
      'httpConfig.maxRedirects is 21; it must be a whole number of redirects, from 0 to 20.',
    ],
    [{ httpConfig: { headers: ['hush'] } }, 'httpConfig.headers is an array; it must be an object of header names'],
    [{ httpConfig: { headers: { 'x-key': 7 } } }, 'httpConfig.headers.x-key is a number; it must be a string.'],
    [
      { httpConfig: { headers: { 'x key': 'hush' } } },
      'httpConfig.headers.x key is not a valid header. Use only characters that HTTP allows',
    ],
    [{ httpConfig: { headers: { 'x-key': 'hush\r\nx: y' } } }, 'httpConfig.headers.x-key is not a valid header'],
    [{ httpConfig: { headers: { '': 'hush' } } }, 'httpConfig.headers has a header without a name'],
    [{ httpConfig: { auth: 'hush' } }, 'httpConfig.auth is a string; it must be an object.'],
    [
      { httpConfig: { auth: {} } },
      'httpConfig.auth must be either { bearer } or { username, password }, complete and not mixed',
    ],
    [{ httpConfig: { auth: { username: 'u' } } }, 'httpConfig.auth must be either { bearer } or'],
    [{ httpConfig: { auth: { password: 'hush' } } }, 'httpConfig.auth must be either { bearer } or'],
    [{ httpConfig: { auth: { bearer: 'hush', username: 'u' } } }, 'httpConfig.auth must be either { bearer } or'],
    [{ httpConfig: { auth: { bearer: 'hush', password: 'p' } } }, 'httpConfig.auth must be either { bearer } or'],
    [{ httpConfig: { auth: { bearer: '' } } }, 'httpConfig.auth.bearer is a string; it must be a non-empty string'],
    [
      { httpConfig: { auth: { bearer: 7 } } },
      'httpConfig.auth.bearer is a number; it must be a non-empty string, or a function that returns one.',
    ],
    [
      { httpConfig: { auth: { bearer: 'hu\nsh' } } },
      'httpConfig.auth.bearer has characters that HTTP does not allow in a header',
    ],
    [{ httpConfig: { auth: { username: 'a:b', password: 'hush' } } }, 'httpConfig.auth.username has a colon'],
    [{ httpConfig: { dispatcher: {} } }, 'httpConfig.dispatcher is an object; it must be an undici Dispatcher'],
    [{ discoveryConfig: 'hush' }, 'discoveryConfig is a string; it must be an object.'],
    [
      { discoveryConfig: { accept: '' } },
      'discoveryConfig.accept is a string; it must be a non-empty string that HTTP allows in a header',
    ],
    [
      { discoveryConfig: { accept: ['*/*', 'a\nb'] } },
      'discoveryConfig.accept[1] is a string; it must be a non-empty string that HTTP allows',
    ],
    [
      { discoveryConfig: { acceptLanguage: 1 } },
      'discoveryConfig.acceptLanguage is a number; it must be a non-empty string that HTTP allows',
    ],
    [
      { discoveryConfig: { httpConfig: { timeoutMs: '1' } } },
      'discoveryConfig.httpConfig.timeoutMs is "1"; it must be',
    ],
    [{ customParams: 'hush=1' }, 'customParams is a string; it must be an object of parameter names and values.'],
    [{ customParams: { key: 1 } }, 'customParams.key is a number; it must be a string.'],
    [{ customParams: { '': 'hush' } }, 'customParams has a parameter without a name. Name it or remove it.'],
    [{ customHeaders: { Host: 'hush' } }, 'customHeaders.Host is set by the request itself. Omit it.'],
    [{ customHeaders: { 'Content-Type': 'hush' } }, 'customHeaders.Content-Type is set by the request itself'],
  ])('%j are refused, and the error does not show a credential', (config, message) => {
    expect(problem(config)).toContain(`Service "News": ${message}`);
    expect(problem(config)).not.toContain('hush');
  });

  it.each(['hub.callback', 'hub.mode', 'hub.topic', 'hub.lease_seconds', 'hub.secret', 'hub.verify_token'])(
    'with the custom parameter %s are refused, because the protocol sets it',
    (name) => {
      expect(problem({ customParams: { [name]: 'hush' } })).toMatch(`Service "News": customParams: ${name} is set by `);
    },
  );

  it('with the custom parameter hub.verify are accepted for WebSub and refused for PubSubHubbub 0.3', () => {
    const customParams = { 'hub.verify': 'sync' };
    expect(checkServiceConfig('News', { customParams }).customParams).toEqual(customParams);
    expect(problem({ customParams, protocol: 'pubsubhubbub-0.3' })).toMatch(
      'Service "News": customParams: hub.verify is already set',
    );
  });
});
