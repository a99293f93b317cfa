import { describe, expect, it } from 'vitest';
import { openStore } from '../../../src/store/open-store.js';
import { keyText } from '../../store/sealing/seal-keys.js';
import { openOld } from './old-store/old-world.js';
import { storeKinds } from './old-store/places.js';
import { failureOf } from '../../kit/failure-of.js';
import { until } from '../../kit/until.js';

const sealed = { security: { sealKey: keyText(1) } };

for (const [kind, isAvailable] of await storeKinds()) {
  describe.skipIf(!isAvailable)(`a store that 0.1.0 wrote on ${kind}, when a seal key is set`, () => {
    it('L4 is read unchanged, sealed in the background, and then readable only with the key', async () => {
      const { runtime, world, expected, store, startAgain } = await openOld(kind, { options: sealed });
      const before = await runtime.subscriptions.find();
      expect(before).toHaveLength(expected.subscriptions.length);
      const [logLine] = await until(() => {
        const lines = world.logged('sealing.completed');
        return lines.length > 0 && lines;
      });
      const { subscriptions, events, unreadable } = Object(logLine?.fields);
      expect({ subscriptions, unreadable }).toEqual({ subscriptions: before.length, unreadable: 0 });
      expect(events).toBeGreaterThan(0);
      await runtime.stop();

      const rows = await rowsOf(store);
      const texts = expected.subscriptions.flatMap(({ grants }) =>
        grants.flatMap(({ secrets, verifyToken, callback }) => [...secrets, verifyToken ?? '', callback]),
      );
      const secretTexts = new Set(texts.filter((text) => text !== ''));
      expect(secretTexts.size).toBeGreaterThan(20);
      expect([...secretTexts].filter((text) => rows.includes(text))).toEqual([]);

      expect((await failureOf(startAgain({}))).message).toMatch(/is sealed: .*no seal key is configured/);
      const restarted = await startAgain(sealed);
      expect((await restarted.subscriptions.find()).map(identity)).toEqual(before.map(identity));
      expect(world.events('error')).toEqual([]);
      const deadLetterIds: string[] = [];
      for await (const { id } of restarted.deadLetters) deadLetterIds.push(id);
      expect(deadLetterIds).toEqual(expect.arrayContaining(expected.deadLetters.map(({ id }) => id)));
    });
  });
}

const identity = ({ id, callback }: { readonly id: string; readonly callback?: string | undefined }) => ({
  id,
  callback,
});

/** All rows of subscriptions and events in a store. */
async function rowsOf(uri: string): Promise<string> {
  const store = await openStore(uri);
  const rows: unknown[] = [];
  for (const kind of ['subscription', 'event'] as const) {
    for await (const [, raw] of store.list(kind)) rows.push(raw);
  }
  await store.close();
  return JSON.stringify(rows, (_, value: unknown) =>
    value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value,
  );
}
