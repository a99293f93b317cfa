import { Keyv } from 'keyv';
import { describe, expect, onTestFinished, test } from 'vitest';
import { StoreError } from '../../../src/errors.js';
import { openStore } from '../../../src/store/open-store.js';
import { FakeWorld } from '../../kit/fake-world.js';
import { failureOf } from '../../kit/failure-of.js';
import { canStartRedis, ownRedis } from './own-redis.js';

const MEMORY = ['--maxmemory', '50mb'];

describe.skipIf(!canStartRedis())('a Redis', () => {
  const warnings = ({ lines }: FakeWorld): readonly string[] =>
    lines.filter(({ level }) => level !== 'debug').map(({ level, message }) => `${level}: ${message}`);

  /** Opens and closes the store. Returns the logged lines above the level debug. */
  async function linesOfOpening(uri: string | Keyv): Promise<readonly string[]> {
    const world = new FakeWorld();
    const store = await openStore(uri, { logger: world.logger });
    await store.close();
    return warnings(world);
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
      expect(error.message).toBe(
        `The store ${uri} has maxmemory-policy ${policy} and a maxmemory of 52428800 bytes: when its memory is full, ` +
          'subscriptions and stored events are deleted. Set maxmemory-policy to noeviction, or use another Redis.',
      );
      const keyv = await keyvOver(uri);
      const keyvError = await failureOf(openStore(keyv));
      expect(keyvError).toBeInstanceOf(StoreError);
      expect(keyvError.message).toContain(`The store a Keyv over KeyvRedis has maxmemory-policy ${policy}`);
    },
  );

  test('that deletes expiring keys (volatile-lru) causes a warning', async () => {
    const uri = await ownRedis(...MEMORY, '--maxmemory-policy', 'volatile-lru');
    expect(await linesOfOpening(uri)).toEqual([
      expect.stringMatching(
        /^warn: the Redis has maxmemory-policy volatile-lru and a maxmemory of 52428800 bytes: it may delete/,
      ),
    ]);
  });

  test('that does not report its policy causes a warning', async () => {
    const uri = await ownRedis('--rename-command', 'INFO', '');
    expect(await linesOfOpening(uri)).toEqual([
      expect.stringMatching(/^warn: the Redis does not tell whether it deletes keys when its memory is full/),
    ]);
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
