import { describe, expect, it } from 'vitest';
import { ConfigurationError } from 'websub-subscriber';
import { callbackPaths, refuseSharedPaths } from '../../src/reconcile/callback-paths.js';
import { checkServiceConfig } from '../../src/runtime/config/check-config.js';
import type { CheckedServiceConfig, SubscriberServiceConfig } from '../../src/runtime/config/service-config.js';

const BASE = 'https://me.example.com/websub';
const TOKEN = '[A-Za-z0-9_-]{43}';

function checked(config: SubscriberServiceConfig): CheckedServiceConfig {
  return checkServiceConfig('News', config);
}

function callback(config: SubscriberServiceConfig, takenUrls: readonly string[] = []): string {
  const { callbackOf, newPath } = callbackPaths(checked(config), BASE);
  return callbackOf(newPath((url) => takenUrls.includes(url)));
}

describe('a callback', () => {
  it('S8 is an unguessable token below the base URL, different for each grant', () => {
    const urls = Array.from({ length: 100 }, () => callback({}));
    expect(urls[0]).toMatch(new RegExp(`^${BASE}/${TOKEN}$`));
    expect(new Set(urls).size).toBe(100);
  });

  it('is used literally, including its query', () => {
    const literal = 'https://proxy.example.com/in?to=me';
    expect(callback({ callback: literal })).toBe(literal);
    expect(callback({ callback: literal }, [literal])).toBe(literal);
  });

  it('L6 moves below the current service path if the path was created under another one', () => {
    const token = 'A'.repeat(43);
    const callbackOf = (servicePath: string | undefined, path: string): string =>
      callbackPaths(checked(servicePath === undefined ? {} : { servicePath }), BASE).callbackOf(path);
    expect(callbackOf('news', token)).toBe(`${BASE}/news/${token}`);
    expect(callbackOf('news', `stories/${token}`)).toBe(`${BASE}/news/${token}`);
    expect(callbackOf('news', 'stories')).toBe(`${BASE}/news`);
    expect(callbackOf(undefined, `stories/${token}`)).toBe(`${BASE}/${token}`);
    expect(callbackOf(token, token)).toBe(`${BASE}/${token}`);
  });

  it('has a token appended with appendServicePath', () => {
    const config = { callback: 'https://proxy.example.com/in/', appendServicePath: true };
    expect(callback(config)).toMatch(new RegExp(`^https://proxy\\.example\\.com/in/${TOKEN}$`));
    expect(callback({ ...config, servicePath: '/news' })).toBe('https://proxy.example.com/in/news');
  });

  it('is the service path for a single subscription, and starts with it for several', () => {
    expect(callback({ servicePath: 'news', target: 'https://a.example/' })).toBe(`${BASE}/news`);
    expect(callback({ servicePath: 'news' })).toBe(`${BASE}/news`);
    const several = { servicePath: 'a/news', targets: ['https://a.example/', 'https://b.example/'] };
    expect(callback(several)).toMatch(new RegExp(`^${BASE}/a/news/${TOKEN}$`));
  });

  it('S8 gets a token after the service path if another grant uses that path', () => {
    expect(callback({ servicePath: 'news' }, [`${BASE}/news`])).toMatch(new RegExp(`^${BASE}/news/${TOKEN}$`));
  });
});

describe('refuseSharedPaths', () => {
  const refuse =
    (...configs: SubscriberServiceConfig[]) =>
    (): void =>
      refuseSharedPaths(configs.map((config, index) => checkServiceConfig(`S${index}`, config)));

  it('rejects two services whose callbacks have the same last segment, and names both', () => {
    const clashing = refuse({ servicePath: 'news' }, {}, { callback: 'https://x.example/other/news' });
    expect(clashing).toThrow(ConfigurationError);
    expect(clashing).toThrow(/Services "S0" and "S2" both have callbacks that end in "news"/);
    expect(refuse({ servicePath: 'a/news' }, { servicePath: 'b/news' })).toThrow(/end in "news"/);
  });

  it('accepts services whose callbacks differ', () => {
    expect(refuse({ servicePath: 'a' }, { servicePath: 'b' }, {}, {})).not.toThrow();
    const targets = ['https://a.example/', 'https://b.example/'];
    expect(refuse({ servicePath: 'news', targets }, { servicePath: 'news', targets })).not.toThrow();
  });
});
