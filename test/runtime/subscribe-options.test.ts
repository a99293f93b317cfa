import { describe, expect, it } from 'vitest';
import { checkSubscribeOptions } from '../../src/runtime/subscribe-options.js';
import type { SubscribeOptions } from 'websub-subscriber';

const target = 'https://example.com/feed';

describe('checkSubscribeOptions', () => {
  it('tells what is to be subscribed to, and what differs from the service', () => {
    expect(checkSubscribeOptions('News', { target })).toEqual({ target, overrides: undefined, metadata: undefined });
    const pair = ['https://hub.example/', 'https://example.com/feed'] as const;
    expect(checkSubscribeOptions('News', { target: pair, leaseSeconds: 60, secret: 'auto' })).toEqual({
      target: { hub: pair[0], topic: pair[1] },
      overrides: { leaseSeconds: 60, secret: 'auto' },
      metadata: undefined,
    });
  });

  it.each([
    [undefined, /^subscribe\(\) for service "News": the configuration is undefined; it must be an object/],
    [{}, /target is missing: name what to subscribe to/],
    [{ target: 'feed' }, /target "feed" is not an absolute URL/],
    [{ target, leaseSeconds: 0 }, /leaseSeconds is 0/],
    [{ target, secret: 'x'.repeat(200) }, /secret is a string of 200 bytes/],
    [{ target, callback: 'https://me.example/' }, /callback is not a known field/],
  ])('refuses %j', (options, message) => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- whoever has no compiler may hand over anything
    expect(() => checkSubscribeOptions('News', options as unknown as SubscribeOptions)).toThrow(message);
  });
});
