import { describe, expect, it } from 'vitest';
import { ConfigurationError } from '../../src/errors.js';
import { requestForm, type HubRequestForm } from '../../src/protocol/request-form.js';

const request: HubRequestForm = {
  mode: 'subscribe',
  topic: 'https://example.com/feed?a=1&b=ü',
  callback: 'https://me.example.com/websub/1?x=y',
};

const errorOf = (change: Partial<HubRequestForm>): unknown => {
  try {
    requestForm({ ...request, ...change });
  } catch (thrown) {
    return thrown;
  }
  return undefined;
};

describe('the form of a request to a hub', () => {
  it('S1 has callback, mode, topic, lease and secret in this order, then custom parameters, in UTF-8', () => {
    const form = requestForm({ ...request, leaseSeconds: 864_000, secret: 'sécret', customParams: { 'x-é': 'a b&c' } });
    expect(form.toString()).toBe(
      'hub.callback=https%3A%2F%2Fme.example.com%2Fwebsub%2F1%3Fx%3Dy&hub.mode=subscribe' +
        '&hub.topic=https%3A%2F%2Fexample.com%2Ffeed%3Fa%3D1%26b%3D%C3%BC&hub.lease_seconds=864000' +
        '&hub.secret=s%C3%A9cret&x-%C3%A9=a+b%26c',
    );
  });

  it('S1 omits a lease and a secret that are not set', () => {
    expect([...requestForm(request).keys()]).toEqual(['hub.callback', 'hub.mode', 'hub.topic']);
  });

  it('S6 for an unsubscribe request has mode, topic and callback only', () => {
    const form = requestForm({ ...request, mode: 'unsubscribe', leaseSeconds: 10, secret: 'secret' });
    expect([...form]).toEqual([
      ['hub.callback', request.callback],
      ['hub.mode', 'unsubscribe'],
      ['hub.topic', request.topic],
    ]);
  });

  it('S4 has hub.verify async and then sync, and a token, for a 0.3 hub', () => {
    const form = requestForm({ ...request, protocol: 'pubsubhubbub-0.3', verifyToken: 'token' });
    expect([...form].slice(3)).toEqual([
      ['hub.verify', 'async'],
      ['hub.verify', 'sync'],
      ['hub.verify_token', 'token'],
    ]);
    expect(requestForm({ ...request, protocol: 'pubsubhubbub-0.3' }).has('hub.verify_token')).toBe(false);
  });

  it('S4 has neither hub.verify nor a token for a WebSub hub', () => {
    const form = requestForm({ ...request, verifyToken: 'token' });
    expect(form.has('hub.verify')).toBe(false);
    expect(form.has('hub.verify_token')).toBe(false);
  });

  it('S3 has hub.verify without a token for a WebSub hub that needs it, and a custom hub.verify wins', () => {
    const form = requestForm({ ...request, verify: 'async', verifyToken: 'token' });
    expect([...form].slice(3)).toEqual([['hub.verify', 'async']]);
    const custom = requestForm({ ...request, verify: 'async', customParams: { 'hub.verify': 'sync' } });
    expect(custom.getAll('hub.verify')).toEqual(['sync']);
    const version03 = requestForm({ ...request, verify: 'async', protocol: 'pubsubhubbub-0.3' });
    expect(version03.getAll('hub.verify')).toEqual(['async', 'sync']);
  });

  it('S1 accepts a secret of 199 bytes of UTF-8, and refuses a secret of 200 bytes without showing it', () => {
    expect(requestForm({ ...request, secret: `${'é'.repeat(99)}e` }).has('hub.secret')).toBe(true);
    const error = errorOf({ secret: 'é'.repeat(100) });
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error).toMatchObject({ message: expect.stringMatching(/^secret is 200 bytes long.*1 to 199 bytes\.$/) });
    expect(String(error)).not.toContain('é');
  });

  it('refuses an empty secret', () => {
    expect(errorOf({ secret: '' })).toMatchObject({
      code: 'ERR_WEBSUB_CONFIGURATION',
      message: expect.stringMatching(/^secret is empty/),
    });
  });

  it.each([0, -1, 1.5, Number.NaN, Infinity])('refuses a lease of %s seconds', (leaseSeconds) => {
    expect(errorOf({ leaseSeconds })).toMatchObject({
      code: 'ERR_WEBSUB_CONFIGURATION',
      message: `leaseSeconds is ${leaseSeconds}; it must be a whole number of seconds, at least 1.`,
    });
  });

  it.each(['hub.callback', 'hub.mode', 'hub.topic', 'hub.lease_seconds', 'hub.secret', 'hub.verify_token'])(
    'S1 refuses %s as a custom parameter, naming the option that sets it',
    (name) => {
      const error = errorOf({ customParams: { [name]: 'mine' } });
      expect(error).toBeInstanceOf(ConfigurationError);
      expect(error).toMatchObject({ message: expect.stringMatching(`^customParams: ${name} is set by \\w+`) });
    },
  );

  it('S4 accepts hub.verify as a custom parameter unless it is already sent', () => {
    expect(requestForm({ ...request, customParams: { 'hub.verify': 'sync' } }).getAll('hub.verify')).toEqual(['sync']);
    expect(errorOf({ protocol: 'pubsubhubbub-0.3', customParams: { 'hub.verify': 'sync' } })).toMatchObject({
      code: 'ERR_WEBSUB_CONFIGURATION',
      message: expect.stringMatching(/hub\.verify is already set by protocol 'pubsubhubbub-0\.3'/),
    });
  });

  it.each([
    [
      'me.example.com/cb',
      'callback is "me.example.com/cb"; it must be an absolute URL, such as https://example.com/path.',
    ],
    ['ftp://me.example.com/', 'callback is "ftp://me.example.com/"; it must be an http or https URL.'],
    [
      'https://me.example.com/#a',
      'callback is "https://me.example.com/#a"; it must be a URL without a fragment. Remove the # and everything after it.',
    ],
    [
      'https://me.example.com/#',
      'callback is "https://me.example.com/#"; it must be a URL without a fragment. Remove the # and everything after it.',
    ],
    [
      'https://user:pass@me.example.com/a@b',
      'callback is "https://me.example.com/a@b" with a user name or password (not shown). Remove them from the URL.',
    ],
    [
      'https://user:p@ss@:bad/',
      'callback is "https://:bad/"; it must be an absolute URL, such as https://example.com/path.',
    ],
  ])('refuses the callback %s', (callback, message) => {
    expect(errorOf({ callback })).toMatchObject({ code: 'ERR_WEBSUB_CONFIGURATION', message });
  });

  it('accepts a plain name as topic', () => {
    expect(requestForm({ ...request, topic: 'registrations' }).get('hub.topic')).toBe('registrations');
  });

  it.each([
    ['', /^topic is ""; it must be .* without white space/],
    ['https://example.com/a b', /^topic is "https:\/\/example.com\/a b"; it must be .* without white space/],
    ['https://user:pass@example.com/ b', /^topic is "https:\/\/example.com\/ b"; it must be .* without white space/],
    ['https://user:pass@example.com/', /^topic is "https:\/\/example.com\/" with a user name or password/],
  ])('refuses the topic %j', (topic, message) => {
    expect(errorOf({ topic })).toMatchObject({
      code: 'ERR_WEBSUB_CONFIGURATION',
      message: expect.stringMatching(message),
    });
  });
});
