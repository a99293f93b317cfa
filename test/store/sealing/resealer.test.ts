import { describe, expect, it } from 'vitest';
import { StoreError } from '../../../src/errors.js';
import { encodeRecord } from '../../../src/store/codec.js';
import { openStore } from '../../../src/store/open-store.js';
import type { RecordKind, RecordStore } from '../../../src/store/record-store.js';
import { createResealer } from '../../../src/store/sealing/resealer.js';
import { sealedStore } from '../../../src/store/sealing/sealed-store.js';
import { deferred, FakeWorld } from '../../kit/fake-world.js';
import { until } from '../../kit/world.js';
import { sealKey } from './seal-keys.js';

const [key, older] = [sealKey(1), sealKey(2)];

const recordOf = (kind: RecordKind, id: string): unknown =>
  kind === 'event' ? encodeRecord(1, { id, headers: [] }) : encodeRecord(2, { id });

/** A store with records of each kind, as they were read at a start. */
async function found(
  counts: { readonly subscription: number; readonly event: number },
  around = (store: RecordStore) => store,
) {
  const plain = await openStore('memory');
  for (const kind of ['subscription', 'event'] as const) {
    for (let index = 0; index < counts[kind]; index += 1) {
      await plain.set(kind, `${index}`, recordOf(kind, `${index}`));
    }
  }
  const sealed = sealedStore(around(plain), [key, older]);
  for (const kind of ['subscription', 'event'] as const) {
    for await (const [id] of sealed.records.list(kind)) expect(id).toMatch(/^\d+$/);
  }
  const { lines, logger } = new FakeWorld();
  const waits: number[] = [];
  const check = { subscription: () => {}, event: () => {} };
  const wait = async (milliseconds: number): Promise<void> => void waits.push(milliseconds);
  const work = createResealer(sealed, { logger, check, wait });
  const done = async (): Promise<void> => {
    work.start();
    await until(() => lines.some(({ message }) => message.includes('are sealed')));
  };
  return { plain, sealed, work, done, lines, logger, waits, check };
}

/** How many records of a kind would still have to be sealed after another start. */
async function left(plain: RecordStore, kind: 'subscription' | 'event'): Promise<number> {
  const sealed = sealedStore(plain, [key, older]);
  for await (const [id, value] of sealed.records.list(kind)) expect(value).toEqual(recordOf(kind, id));
  return sealed.stale[kind].size;
}

describe('sealing in the background', () => {
  it('seals all, a few at a time, and says so once with the counts', async () => {
    const { plain, done, lines, waits, work } = await found({ subscription: 130, event: 9 });
    await done();
    expect(lines.map(({ level, fields }) => ({ level, fields }))).toEqual([
      { level: 'info', fields: { sealedWith: key.id, subscriptions: 130, events: 9, unreadable: 0 } },
    ]);
    expect(waits).toEqual(Array.from({ length: 3 + 3 }, () => 50));
    expect([await left(plain, 'subscription'), await left(plain, 'event')]).toEqual([0, 0]);
    await work.stop();
  });

  it('seals anew what an older key sealed', async () => {
    const { plain, sealed, done } = await found({ subscription: 1, event: 0 });
    await sealedStore(plain, [older]).records.set('subscription', 'older', recordOf('subscription', 'older'));
    for await (const [id] of sealed.records.list('subscription')) expect(id).toBeDefined();
    await done();
    expect(await left(plain, 'subscription')).toBe(0);
    expect(await sealedStore(plain, [key]).records.get('subscription', 'older')).toEqual(
      recordOf('subscription', 'older'),
    );
  });

  it('does and says nothing where all is sealed, or there is no key', async () => {
    const { work, lines, waits } = await found({ subscription: 0, event: 0 });
    work.start();
    await work.stop();
    const plain = await openStore('memory');
    await plain.set('subscription', 's', recordOf('subscription', 's'));
    const unsealed = sealedStore(plain, []);
    for await (const [id] of unsealed.records.list('subscription')) expect(id).toBe('s');
    const { logger, lines: others } = new FakeWorld();
    const idle = createResealer(unsealed, { logger, check: { subscription: () => {}, event: () => {} } });
    idle.start();
    await idle.stop();
    expect([...lines, ...others, ...waits]).toEqual([]);
    expect(await plain.get('subscription', 's')).toEqual(recordOf('subscription', 's'));
  });

  it('counts what holds no such record, and leaves it', async () => {
    const { plain, sealed, lines, logger } = await found({ subscription: 3, event: 0 });
    const subscription = (id: string): void => {
      if (id === '1') throw new StoreError('it does not hold a subscription');
    };
    const work = createResealer(sealed, { logger, check: { subscription, event: () => {} }, wait: async () => {} });
    work.start();
    await until(() => lines.length > 0);
    expect(lines[0]?.fields).toMatchObject({ subscriptions: 2, unreadable: 1 });
    expect(await plain.get('subscription', '1')).toEqual(recordOf('subscription', '1'));
    await work.stop();
  });

  it('goes on after a minute where the store fails', async () => {
    let failures = 2;
    const { plain, done, lines, waits } = await found({ subscription: 5, event: 1 }, (store) => ({
      ...store,
      set: async (kind, id, value) => {
        if (id === '3' && failures > 0) {
          failures -= 1;
          throw new StoreError('out of order');
        }
        await store.set(kind, id, value);
      },
    }));
    await done();
    expect(waits).toEqual([60_000, 60_000, 50, 50]);
    expect(lines.map(({ level }) => level)).toEqual(['warn', 'warn', 'info']);
    expect(lines.at(-1)?.fields).toMatchObject({ subscriptions: 5, events: 1 });
    expect(await left(plain, 'subscription')).toBe(0);
  });

  it('ends in the middle with nothing under way, and the next start finds what is left', async () => {
    const [reached, released] = [deferred(), deferred()];
    const { plain, sealed, lines, logger, check } = await found({ subscription: 200, event: 5 });
    const work = createResealer(sealed, {
      logger,
      check,
      wait: async (_, signal) => {
        reached.resolve();
        await released.promise;
        signal.throwIfAborted();
      },
    });
    work.start();
    await reached.promise;
    const stopped = work.stop();
    released.resolve();
    await stopped;
    expect(lines).toEqual([]);
    expect([await left(plain, 'subscription'), await left(plain, 'event')]).toEqual([200 - 64, 5]);
  });

  it('keeps time by a timer of its own, which a stop ends', async () => {
    const { plain, sealed, logger, check } = await found({ subscription: 65, event: 0 });
    const work = createResealer(sealed, { logger, check });
    work.start();
    await until(async () => (await left(plain, 'subscription')) < 65);
    await work.stop();
    expect(await left(plain, 'subscription')).toBeLessThanOrEqual(1);
  });
});
