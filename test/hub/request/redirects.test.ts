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

function follow(redirects: readonly (readonly [number, string])[], changed: Partial<RedirectRules> = {}): unknown {
  const given: RedirectRules = { ...rules, credentialsFor: changed.hub ?? hub, ...changed };
  let hop: Hop = firstHop(given);
  for (const [status, location] of redirects) {
    const next = nextHop(hop, status, location, given);
    if ('problem' in next) return next;
    hop = next;
  }
  return hop;
}

describe('the hub to remember', () => {
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
  ] as const)('S3 after %s', (_name, redirects, remembered) => {
    expect(follow(redirects)).toMatchObject({ hub: remembered });
  });
});

describe('where a redirect leads', () => {
  it('S3 is resolved against the URL that redirected, without its fragment', () => {
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
  ])('S3 %s is not followed', (location) => {
    expect(follow([[307, location]])).toEqual({
      reason: 'refused',
      problem: 'answered 307 without a Location that can be followed',
    });
  });

  it('S3 no Location is nowhere', () => {
    expect(nextHop(firstHop(rules), 308, null, rules)).toMatchObject({ reason: 'refused' });
  });

  it('S3 goes on for maxRedirects hops', () => {
    expect(follow(Array.from({ length: 5 }, () => [307, '/a'] as const))).toMatchObject({ redirects: 5 });
    expect(follow(Array.from({ length: 6 }, () => [307, '/a'] as const))).toEqual({
      reason: 'refused',
      problem: `answered 307 once more than httpConfig.maxRedirects (5) allows, to ${hub}`,
    });
    expect(follow([[307, '/b']], { maxRedirects: 0 })).toMatchObject({ reason: 'refused' });
  });
});

describe('what goes along', () => {
  const insecure = 'http://hub.example.com/a';
  it.each([
    ['https to the same origin', hub, '/b', true],
    ['https to another https origin', hub, 'https://other.example.com/', false],
    ['https to another port of its host', hub, 'https://hub.example.com:8443/', false],
    ['https to its own http', hub, 'http://hub.example.com/a', false],
    ['https to another http origin', hub, 'http://other.example.com/', false],
    ['http to the same origin', insecure, '/b', true],
    ['http to another port', insecure, 'http://hub.example.com:81/', false],
    ['http to its https form', insecure, 'https://hub.example.com/b', true],
    [
      'http at a port of its own to the https form of it',
      'http://hub.example.com:81/',
      'https://hub.example.com:81/',
      true,
    ],
    ['http to another https origin', insecure, 'https://other.example.com/', false],
  ])('S5 headers and credentials from %s', (_name, from, to, withHeaders) => {
    expect(follow([[307, to]], { hub: from })).toMatchObject({ withHeaders });
  });

  it('S5 headers and credentials left behind do not come back', () => {
    expect(
      follow([
        [307, 'https://other.example.com/'],
        [307, hub],
      ]),
    ).toMatchObject({ url: hub, withHeaders: false });
  });

  it.each([
    ['where a 308 once led, at another origin', 'https://other.example.com/', false],
    ['where a 308 once led, at the same origin', 'https://hub.example.com/moved', true],
  ])('S5 headers and credentials to a stored hub %s', (_name, stored, withHeaders) => {
    expect(firstHop({ hub: stored, credentialsFor: hub })).toMatchObject({ url: stored, withHeaders });
  });

  const secretly = (from: string, to: string, allowInsecureSecret: boolean): unknown =>
    follow([[307, to]], { hub: from, confidentialFields: ['secret'], allowInsecureSecret });

  it.each([
    ['https', hub, 'https://other.example.com/', false],
    ['plain HTTP at the hub itself, allowed', insecure, '/b', true],
    ['a hub on this machine itself', 'http://localhost:1/', '/b', false],
    ['another server on this machine', 'http://localhost:1/', 'http://localhost:2/', false],
  ])('S5 a secret goes to %s', (_name, from, to, allowInsecureSecret) => {
    expect(secretly(from, to, allowInsecureSecret)).toMatchObject({ redirects: 1 });
  });

  it.each([
    ['plain HTTP', hub, 'http://hub.example.com/', false],
    ['plain HTTP elsewhere, though allowed at the hub', insecure, 'http://other.example.com/', true],
  ])('S5 a secret does not go to %s', (_name, from, to, allowInsecureSecret) => {
    expect(secretly(from, to, allowInsecureSecret)).toEqual({
      reason: 'forbidden',
      problem: `answered 307, but secret must not follow to plain HTTP: ${to}`,
    });
  });

  it.each(['verifyToken', 'customParams'] as const)(
    'S5 %s goes on over https, and over plain HTTP to the hub itself',
    (what) => {
      const to = (from: string, location: string): unknown =>
        follow([[308, location]], { hub: from, confidentialFields: [what] });
      expect(to(hub, 'https://other.example.com/')).toMatchObject({ redirects: 1 });
      expect(to(insecure, '/b')).toMatchObject({ redirects: 1 });
      expect(to(insecure, 'http://other.example.com/')).toEqual({
        reason: 'forbidden',
        problem: `answered 308, but ${what} must not follow to plain HTTP: http://other.example.com/`,
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
])('S5 a secret to %s, allowed insecurely: %s', (url, allowed, may) => {
  expect(canSendSecret(url, allowed)).toBe(may);
});
