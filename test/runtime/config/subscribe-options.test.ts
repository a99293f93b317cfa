import { describe, expect, it } from 'vitest';
import { checkServiceConfig } from '../../../src/runtime/config/check-config.js';
import { checkSubscribeOptions } from '../../../src/runtime/config/subscribe-options.js';
import type { SubscribeOptions } from 'websub-subscriber';

const NEWS = checkServiceConfig('News', { customParams: { tenant: 'a' } });
const target = 'https://example.com/feed';

describe('checkSubscribeOptions', () => {
  it('returns the target, and the overrides of the service configuration', () => {
    expect(checkSubscribeOptions(NEWS, { target })).toEqual({ target, overrides: undefined, metadata: undefined });
    const pair = ['https://hub.example/', 'https://example.com/feed'] as const;
    expect(checkSubscribeOptions(NEWS, { target: pair, leaseSeconds: 60, secret: 'auto' })).toEqual({
      target: { hub: pair[0], topic: pair[1] },
      overrides: { leaseSeconds: 60, secret: 'auto' },
      metadata: undefined,
    });
  });

  it.each([
    [undefined, /^subscribe\(\) for service "News": the configuration is undefined; it must be an object/],
    [{}, /target is missing\. .*environment variable, check that the variable is set/],
    [{ target: 'feed' }, /target is "feed"; it must be an absolute URL/],
    [{ target, leaseSeconds: 0 }, /leaseSeconds is 0/],
    [{ target, secret: 'x'.repeat(200) }, /secret is a string of 200 bytes/],
    [{ target, customParams: { 'hub.topic': 'x' } }, /customParams: hub\.topic is set by topic/],
    [{ target, customParams: { key: 7 } }, /customParams\.key is a number; it must be a string/],
    [{ target, customParams: JSON.parse('{"__proto__":"x"}') }, /has a name that JavaScript reserves/],
    [{ target, customParams: { key: '\uD800' } }, /customParams\.key has an unpaired surrogate/],
    [{ target, metadata: { key: '\uD800' } }, /metadata\.key has an unpaired surrogate/],
    [{ target, customParams: { '': 'x' } }, /customParams has a parameter without a name/],
    [{ target, callback: 'https://me.example/' }, /callback is not a known field/],
  ])('refuses %j', (options, message) => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- without the compiler, a caller may pass any value
    expect(() => checkSubscribeOptions(NEWS, options as unknown as SubscribeOptions)).toThrow(message);
  });

  it('accepts custom parameters that the protocol of the service allows', () => {
    const customParams = { 'hub.verify': 'sync', key: 'k' };
    expect(checkSubscribeOptions(NEWS, { target, customParams }).overrides).toEqual({ customParams });
    const pubsubhubbub = checkServiceConfig('News', { protocol: 'pubsubhubbub-0.3' });
    expect(() => checkSubscribeOptions(pubsubhubbub, { target, customParams })).toThrow(
      /^subscribe\(\) for service "News": customParams: hub\.verify is already set by protocol 'pubsubhubbub-0\.3'/,
    );
  });
});
