import { beforeEach, describe, expect, it, vi } from 'vitest';
import { privacyOf } from '../../../src/hub/guard/address-guard.js';
import { hubGuard } from '../../../src/hub/guard/private-network-guard.js';

// The test decides the addresses of names: a test cannot have a private name.
vi.mock(import('../../../src/hub/guard/address-guard.js'), async (importOriginal) => {
  const original = await importOriginal();
  return { ...original, privacyOf: vi.fn<typeof original.privacyOf>() };
});

const target = 'http://publisher.example/feed';

describe('the guard of a hub', () => {
  let addresses: readonly string[];

  beforeEach(async () => {
    const original = await vi.importActual<typeof import('../../../src/hub/guard/address-guard.js')>(
      '../../../src/hub/guard/address-guard.js',
    );
    vi.mocked(privacyOf).mockImplementation((url) => original.privacyOf(url, async () => addresses));
  });

  it.each(['http://127.0.0.1:1/feed', 'http://localhost/feed', 'http://[fd00::1]/feed', 'http://10.0.0.1/feed'])(
    'allows every hub if the user configured %s',
    async (configuredUrl) => {
      addresses = ['8.8.8.8'];
      for (const hub of ['http://127.0.0.1:2/', 'http://10.9.9.9/', 'https://hub.example/']) {
        expect(await hubGuard(configuredUrl, hub)).toBe('redirects');
      }
    },
  );

  it.each([[['8.8.8.8']], [['8.8.8.8', '10.0.0.1']], [['10.0.0.1', '8.8.8.8']], [[]]])(
    'guards every hub if the configured name resolves to %j',
    async (resolved) => {
      addresses = resolved;
      for (const hub of ['http://127.0.0.1/', 'http://publisher.example/hub', 'https://hub.example/']) {
        expect(await hubGuard(target, hub)).toBe(true);
      }
    },
  );

  it.each([
    ['http://publisher.example/hub', 'redirects'],
    ['https://publisher.example/hub', 'redirects'],
    ['http://publisher.example:8080/hub', true],
    ['http://127.0.0.1/', true],
    ['http://10.0.0.1/', true],
    ['https://hub.example/', true],
  ])('for the hub %s is %s if the configured name has private addresses only', async (hub, guard) => {
    addresses = ['10.0.0.1', 'fd00::1'];
    expect(await hubGuard(target, hub)).toBe(guard);
  });
});
