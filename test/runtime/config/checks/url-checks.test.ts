import { describe, expect, it } from 'vitest';
import { checkServiceConfig } from '../../../../src/runtime/config/check-config.js';

describe('servicePath', () => {
  it.each([
    ['news', 'news'],
    ['/news', 'news'],
    ['news/', 'news'],
    ['/news/latest/', 'news/latest'],
    ['v1.0/~me/a_b-c', 'v1.0/~me/a_b-c'],
    ['...', '...'],
  ])('%j is normalized to %j', (servicePath, expected) => {
    expect(checkServiceConfig('News', { servicePath }).servicePath).toBe(expected);
  });

  it.each(['', '/', '//news', 'a//b', '.', '..', 'a/../b', 'a/.', 'a?b', 'a#b', 'a b', 'a%2Fb', 'é', 'a\\b', 'a\n'])(
    '%j is refused',
    (servicePath) => {
      expect(() => checkServiceConfig('News', { servicePath })).toThrow(
        `Service "News": servicePath is ${JSON.stringify(servicePath)}; it must be path segments of letters, digits`,
      );
    },
  );

  it('is refused if it is not a string', () => {
    expect(() => Reflect.apply(checkServiceConfig, undefined, ['News', { servicePath: 1 }])).toThrow(
      'servicePath is 1; it must be path segments',
    );
  });
});

describe('callback', () => {
  it.each([
    ['me.example.com/cb', 'an absolute URL'],
    ['/cb', 'an absolute URL'],
    ['ws://me.example.com/', 'an http or https URL'],
    ['https://me.example.com/#cb', 'a URL without a fragment'],
  ])('%j is refused', (callback, rule) => {
    expect(() => checkServiceConfig('News', { callback })).toThrow(
      `Service "News": callback is "${callback}"; it must be ${rule}`,
    );
  });
});
