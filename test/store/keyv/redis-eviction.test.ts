import { Keyv } from 'keyv';
import { describe, expect, onTestFinished, test } from 'vitest';
import { StoreError } from '../../../src/errors.js';
import { openStore } from '../../../src/store/open-store.js';
import { FakeWorld } from '../../kit/fake-world.js';
import { failureOf } from '../../kit/failure-of.js';
import type { RecordedLine } from '../../kit/recording-logger.js';
import { canStartRedis, ownRedis } from './own-redis.js';

const MEMORY = ['--maxmemory', '50mb'];

describe.skipIf(!canStartRedis())('a Redis', () => {
  /** Opens and closes the store. Returns the logged lines above the level debug. */
  async function linesOfOpening(uri: string | Keyv): Promise<readonly RecordedLine[]> {
    const world = new FakeWorld();
    const store = await openStore(uri, { logger: world.logger });
    await store.close();
    return world.lines.filter(({ level }) => level !== 'debug');
  }

  async function keyvOver(uri: string): Promise<Keyv> {
    const { default: KeyvRedis } = await import('@keyv/redis');
    const keyv = new Keyv(new KeyvRedis(uri));
    onTestFinished(() => keyv.disconnect());
    return keyv;
  }

  test.each(['allkeys-lru', 'allkeys-lfu', 'allkeys-random'])(
    'that deletes any key when its memory is full (%s) is refused by URI and as a Keyv, and the error names its policy',
    async (policy) => {
      const uri = await ownRedis(...MEMORY, '--maxmemory-policy', policy);
      const error = await failureOf(openStore(uri));
      expect(error).toBeInstanceOf(StoreError);
      expect(error.message).toContain(`The store ${uri} has maxmemory-policy ${policy} and maxmemory 52428800 bytes.`);
      expect(error.message).toContain(
        'deletes subscriptions and stored events. Set maxmemory-policy to noeviction, or',
      );
      const keyv = await keyvOver(uri);
      const keyvError = await failureOf(openStore(keyv));
      expect(keyvError).toBeInstanceOf(StoreError);
      expect(keyvError.message).toContain(`The store a Keyv over KeyvRedis has maxmemory-policy ${policy}`);
    },
  );

  test('that deletes expiring keys (volatile-lru) causes a warning', async () => {
    const uri = await ownRedis(...MEMORY, '--maxmemory-policy', 'volatile-lru');
    expect(await linesOfOpening(uri)).toMatchObject([
      { level: 'warn', event: 'store.eviction', fields: { policy: 'volatile-lru', maxmemory: 52_428_800 } },
    ]);
  });

  test('that does not report its policy causes a warning', async () => {
    const uri = await ownRedis('--rename-command', 'INFO', '');
    expect(await linesOfOpening(uri)).toMatchObject([{ level: 'warn', event: 'store.eviction-unknown' }]);
    expect(await linesOfOpening(await keyvOver(uri))).toHaveLength(1);
  });

  test.each([
    ['without a limit', ['--maxmemory', '0', '--maxmemory-policy', 'allkeys-lru']],
    ['that deletes nothing', [...MEMORY, '--maxmemory-policy', 'noeviction']],
  ])('%s causes no warning', async (_name, settings) => {
    const uri = await ownRedis(...settings);
    expect(await linesOfOpening(uri)).toEqual([]);
    expect(await linesOfOpening(await keyvOver(uri))).toEqual([]);
  });
});
