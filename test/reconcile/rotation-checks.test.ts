import { describe, expect, it } from 'vitest';
import { ConfigurationError } from '../../src/errors.js';
import { checkServiceConfig } from '../../src/runtime/config/check-config.js';

describe('a config that rotates secrets or callbacks', () => {
  it.each([
    [
      { rotateSecret: 'renewal', secret: 'a fixed one' },
      /secret is a fixed string \(not shown\).*Set secret to 'auto'/,
    ],
    [{ rotateSecret: 'renewal', secret: false }, /secret is false.*Set secret to 'auto'/],
    [{ rotateCallback: 'renewal', callback: 'https://me.example/cb' }, /callback is used unchanged.*appendServicePath/],
    [{ rotateCallback: 'renewal', servicePath: 'news' }, /servicePath is "news", the whole path.*Omit servicePath/],
  ] as const)('is rejected if the secret or callback is fixed (%o)', (config, message) => {
    const check = () => checkServiceConfig('News', config);
    expect(check).toThrow(ConfigurationError);
    expect(check).toThrow(message);
    expect(check).not.toThrow(/a fixed one/);
  });

  it('is accepted if they are not fixed', () => {
    const targets = ['https://example.com/a', 'https://example.com/b'];
    for (const config of [
      { rotateSecret: 'renewal' },
      { rotateSecret: 'renewal', secret: 'auto' },
      { rotateCallback: 'renewal' },
      { rotateCallback: 'renewal', servicePath: 'news', targets },
      { rotateCallback: 'renewal', callback: 'https://me.example/cb', appendServicePath: true },
    ] as const) {
      expect(checkServiceConfig('News', config)).toMatchObject(config);
    }
  });
});
