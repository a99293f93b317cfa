import { describe, expect, it } from 'vitest';
import { ConfigurationError } from 'websub-subscriber';
import { callbackPaths, refuseSharedPaths } from '../../src/reconcile/callback-paths.js';
import { checkServiceConfig } from '../../src/runtime/config/check-config.js';
import type { CheckedServiceConfig, SubscriberServiceConfig } from '../../src/runtime/config/service-config.js';

const BASE = 'https://me.example.com/websub';
const TOKEN = '[A-Za-z0-9_-]{43}';

function config(given: SubscriberServiceConfig): CheckedServiceConfig {
  return checkServiceConfig('News', given);
}

function callback(given: SubscriberServiceConfig, taken: readonly string[] = []): string {
  const { callbackOf, newPath } = callbackPaths(config(given), BASE);
  return callbackOf(newPath((url) => taken.includes(url)));
}

describe('a callback', () => {
  it('S8 is an unguessable token below the base, another one for each grant', () => {
    const urls = Array.from({ length: 100 }, () => callback({}));
    expect(urls[0]).toMatch(new RegExp(`^${BASE}/${TOKEN}$`));
    expect(new Set(urls).size).toBe(100);
  });

  it('is taken literally, its query included', () => {
    const literal = 'https://proxy.example.com/in?to=me';
    expect(callback({ callback: literal })).toBe(literal);
    expect(callback({ callback: literal }, [literal])).toBe(literal);
  });

  it('L6 of a path that was made under another service path is where that would be today', () => {
    const token = 'A'.repeat(43);
    const placed = (servicePath: string | undefined, path: string): string =>
      callbackPaths(config(servicePath === undefined ? {} : { servicePath }), BASE).callbackOf(path);
    expect(placed('news', token)).toBe(`${BASE}/news/${token}`);
    expect(placed('news', `stories/${token}`)).toBe(`${BASE}/news/${token}`);
    expect(placed('news', 'stories')).toBe(`${BASE}/news`);
    expect(placed(undefined, `stories/${token}`)).toBe(`${BASE}/${token}`);
    expect(placed(token, token)).toBe(`${BASE}/${token}`);
  });

  it('gets the token appended with appendServicePath', () => {
    const given = { callback: 'https://proxy.example.com/in/', appendServicePath: true };
    expect(callback(given)).toMatch(new RegExp(`^https://proxy\\.example\\.com/in/${TOKEN}$`));
    expect(callback({ ...given, servicePath: '/news' })).toBe('https://proxy.example.com/in/news');
  });

  it('is the service path of a single subscription, and begins with it for several', () => {
    expect(callback({ servicePath: 'news', target: 'https://a.example/' })).toBe(`${BASE}/news`);
    expect(callback({ servicePath: 'news' })).toBe(`${BASE}/news`);
    const several = { servicePath: 'a/news', targets: ['https://a.example/', 'https://b.example/'] };
    expect(callback(several)).toMatch(new RegExp(`^${BASE}/a/news/${TOKEN}$`));
  });

  it('S8 gets a token behind a service path that another grant has', () => {
    expect(callback({ servicePath: 'news' }, [`${BASE}/news`])).toMatch(new RegExp(`^${BASE}/news/${TOKEN}$`));
  });
});

describe('refuseSharedPaths', () => {
  const refuse =
    (...configs: SubscriberServiceConfig[]) =>
    (): void =>
      refuseSharedPaths(configs.map((given, index) => checkServiceConfig(`S${index}`, given)));

  it('refuses two services whose callbacks end alike, naming both', () => {
    const clashing = refuse({ servicePath: 'news' }, {}, { callback: 'https://x.example/other/news' });
    expect(clashing).toThrow(ConfigurationError);
    expect(clashing).toThrow(/Services "S0" and "S2" both have callbacks that end in "news"/);
    expect(refuse({ servicePath: 'a/news' }, { servicePath: 'b/news' })).toThrow(/end in "news"/);
  });

  it('lets services be whose callbacks cannot be mistaken', () => {
    expect(refuse({ servicePath: 'a' }, { servicePath: 'b' }, {}, {})).not.toThrow();
    const targets = ['https://a.example/', 'https://b.example/'];
    expect(refuse({ servicePath: 'news', targets }, { servicePath: 'news', targets })).not.toThrow();
  });
});
