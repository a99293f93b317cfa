import { describe, expect, it } from 'vitest';
import { firstHop, canSendSecret, nextHop, type Hop, type RedirectRules } from '../../../src/hub/request/redirects.js';

const hub = 'https://hub.example.com/a';
const rules: RedirectRules = {
  hub,
  credentialsFor: hub,
  maxRedirects: 5,
  confidentialFields: [],
  allowInsecureSecret: false,
};

function follow(redirects: readonly (readonly [number, string])[], overrides: Partial<RedirectRules> = {}): unknown {
  const appliedRules: RedirectRules = { ...rules, credentialsFor: overrides.hub ?? hub, ...overrides };
  let hop: Hop = firstHop(appliedRules);
  for (const [status, location] of redirects) {
    const next = nextHop(hop, status, location, appliedRules);
    if ('problem' in next) return next;
    hop = next;
  }
  return hop;
}

describe('the hub of later requests', () => {
  it.each([
    ['308', [[308, '/b']], 'https://hub.example.com/b'],
    ['307', [[307, '/b']], hub],
    [
      '308, 308',
      [
        [308, '/b'],
        [308, '/c'],
      ],
      'https://hub.example.com/c',
    ],
    [
      '308, 307',
      [
        [308, '/b'],
        [307, '/c'],
      ],
      'https://hub.example.com/b',
    ],
    [
      '307, 308',
      [
        [307, '/b'],
        [308, '/c'],
      ],
      hub,
    ],
    [
      '308, 307, 308',
      [
        [308, '/b'],
        [307, '/c'],
        [308, '/d'],
      ],
      'https://hub.example.com/b',
    ],
  ] as const)('S3 after the redirects %s is changed only by the leading 308s', (_name, redirects, expectedHub) => {
    expect(follow(redirects)).toMatchObject({ hub: expectedHub });
  });
});

describe('the target of a redirect', () => {
  it('S3 is resolved against the URL that redirected, without a fragment', () => {
    expect(
      follow([
        [307, 'https://other.example.com/x/y'],
        [307, '../z?q#f'],
      ]),
    ).toMatchObject({
      url: 'https://other.example.com/z?q',
    });
  });

  it.each([
    'ftp://hub.example.com/',
    'javascript:alert(1)',
    'https://user:pass@hub.example.com/',
    'https://',
    'http://[',
  ])('S3 is not followed if it is %s', (location) => {
    expect(follow([[307, location]])).toEqual({
      reason: 'refused',
      problem: expect.stringMatching(/^answered 307 without a valid Location/),
    });
  });

  it('S3 is missing without a Location, so the request is refused', () => {
    expect(nextHop(firstHop(rules), 308, null, rules)).toMatchObject({ reason: 'refused' });
  });

  it('S3 is followed for at most maxRedirects hops', () => {
    expect(follow(Array.from({ length: 5 }, () => [307, '/a'] as const))).toMatchObject({ redirects: 5 });
    expect(follow(Array.from({ length: 6 }, () => [307, '/a'] as const))).toEqual({
      reason: 'refused',
      problem: expect.stringMatching(`^answered 307 after 5 redirects.*httpConfig\\.maxRedirects.* ${hub}$`),
    });
    expect(follow([[307, '/b']], { maxRedirects: 0 })).toMatchObject({ reason: 'refused' });
  });
});

describe('the confidential parts of a redirected request', () => {
  const insecure = 'http://hub.example.com/a';
  it.each([
    ['https to the same origin', hub, '/b', true],
    ['https to another https origin', hub, 'https://other.example.com/', false],
    ['https to another port of its host', hub, 'https://hub.example.com:8443/', false],
    ['https to its http form', hub, 'http://hub.example.com/a', false],
    ['https to another http origin', hub, 'http://other.example.com/', false],
    ['http to the same origin', insecure, '/b', true],
    ['http to another port', insecure, 'http://hub.example.com:81/', false],
    ['http to its https form', insecure, 'https://hub.example.com/b', true],
    ['http with an explicit port to its https form', 'http://hub.example.com:81/', 'https://hub.example.com:81/', true],
    ['http to another https origin', insecure, 'https://other.example.com/', false],
  ])('S5 from %s (%s to %s) include headers and credentials: %s', (_name, from, to, sendsHeaders) => {
    expect(follow([[307, to]], { hub: from })).toMatchObject({ sendsHeaders });
  });

  it('S5 do not include headers and credentials again once they were dropped', () => {
    expect(
      follow([
        [307, 'https://other.example.com/'],
        [307, hub],
      ]),
    ).toMatchObject({ url: hub, sendsHeaders: false });
  });

  it.each([
    ['at another origin, which a 308 led to before', 'https://other.example.com/', false],
    ['at the same origin, which a 308 led to before', 'https://hub.example.com/moved', true],
  ])('S5 to a stored hub %s (%s) include headers and credentials: %s', (_name, storedHub, sendsHeaders) => {
    expect(firstHop({ hub: storedHub, credentialsFor: hub })).toMatchObject({ url: storedHub, sendsHeaders });
  });

  const followWithSecret = (from: string, to: string, allowInsecureSecret: boolean): unknown =>
    follow([[307, to]], { hub: from, confidentialFields: ['secret'], allowInsecureSecret });

  it.each([
    ['https', hub, 'https://other.example.com/', false],
    ['the hub itself over plain HTTP, if allowed', insecure, '/b', true],
    ['a hub on this machine', 'http://localhost:1/', '/b', false],
    ['another server on this machine', 'http://localhost:1/', 'http://localhost:2/', false],
  ])('S5 include a secret to %s', (_name, from, to, allowInsecureSecret) => {
    expect(followWithSecret(from, to, allowInsecureSecret)).toMatchObject({ redirects: 1 });
  });

  it.each([
    ['plain HTTP', hub, 'http://hub.example.com/', false],
    ['plain HTTP elsewhere, even if allowed for the hub', insecure, 'http://other.example.com/', true],
  ])('S5 include no secret to %s', (_name, from, to, allowInsecureSecret) => {
    expect(followWithSecret(from, to, allowInsecureSecret)).toEqual({
      reason: 'forbidden',
      problem: `answered 307, but secret must not be sent over plain HTTP to ${to}`,
    });
  });

  it.each(['verifyToken', 'customParams'] as const)(
    'S5 include %s over https, and over plain HTTP to the hub itself',
    (field) => {
      const followTo = (from: string, location: string): unknown =>
        follow([[308, location]], { hub: from, confidentialFields: [field] });
      expect(followTo(hub, 'https://other.example.com/')).toMatchObject({ redirects: 1 });
      expect(followTo(insecure, '/b')).toMatchObject({ redirects: 1 });
      expect(followTo(insecure, 'http://other.example.com/')).toEqual({
        reason: 'forbidden',
        problem: `answered 308, but ${field} must not be sent over plain HTTP to http://other.example.com/`,
      });
    },
  );
});

it.each([
  ['https://hub.example.com', false, true],
  ['HTTPS://hub.example.com', false, true],
  ['http://hub.example.com', false, false],
  ['http://hub.example.com', true, true],
  ['http://localhost:1', false, true],
  ['http://10.0.0.1', false, false],
])('S5 a secret to %s, with insecure secrets allowed %s, is sent: %s', (url, allowInsecureSecret, isSent) => {
  expect(canSendSecret(url, allowInsecureSecret)).toBe(isSent);
});
