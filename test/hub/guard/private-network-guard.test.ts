import { beforeEach, describe, expect, it, vi } from 'vitest';
import { privacyOf } from '../../../src/hub/guard/address-guard.js';
import { hubGuard } from '../../../src/hub/guard/private-network-guard.js';

// What names resolve to is decided here: no private name can be had in a test.
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
    'is down where the user wrote %s',
    async (given) => {
      addresses = ['8.8.8.8'];
      for (const hub of ['http://127.0.0.1:2/', 'http://10.9.9.9/', 'https://hub.example/']) {
        expect(await hubGuard(given, hub)).toBe('redirects');
      }
    },
  );

  it.each([[['8.8.8.8']], [['8.8.8.8', '10.0.0.1']], [['10.0.0.1', '8.8.8.8']], [[]]])(
    'is up where the name the user wrote resolves to %j',
    async (found) => {
      addresses = found;
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
  ])('for a name with private addresses alone that names %s is %s', async (hub, guard) => {
    addresses = ['10.0.0.1', 'fd00::1'];
    expect(await hubGuard(target, hub)).toBe(guard);
  });
});
