import { describe, expect, it } from 'vitest';
import { StoreError } from '../../../src/errors.js';
import { encodeRecord } from '../../../src/store/codec.js';
import { openStore } from '../../../src/store/open-store.js';
import type { RecordKind, RecordStore } from '../../../src/store/record-store.js';
import { createResealer } from '../../../src/store/sealing/resealer.js';
import { sealedStore } from '../../../src/store/sealing/sealed-store.js';
import { deferred } from '../../kit/deferred.js';
import { FakeWorld } from '../../kit/fake-world.js';
import { until } from '../../kit/until.js';
import { macrotasks } from '../../kit/until-idle.js';
import { sealKey } from './seal-keys.js';

const [key, olderKey] = [sealKey(1), sealKey(2)];

const recordOf = (kind: RecordKind, id: string): unknown =>
  kind === 'event' ? encodeRecord(1, { id, headers: [] }) : encodeRecord(2, { id });

/** Sets up a store with records of each kind, listed as at a start. */
async function setUp(
  counts: { readonly subscription: number; readonly event: number },
  wrapStore = (store: RecordStore) => store,
) {
  const plain = await openStore('memory');
  for (const kind of ['subscription', 'event'] as const) {
    for (let index = 0; index < counts[kind]; index += 1) {
      await plain.set(kind, `${index}`, recordOf(kind, `${index}`));
    }
  }
  const sealed = sealedStore(wrapStore(plain), [key, olderKey]);
  for (const kind of ['subscription', 'event'] as const) {
    for await (const [id] of sealed.records.list(kind)) expect(id).toMatch(/^\d+$/);
  }
  const { lines, logger } = new FakeWorld();
  const waits: number[] = [];
  const check = { subscription: () => {}, event: () => {} };
  const wait = async (milliseconds: number): Promise<void> => void waits.push(milliseconds);
  const resealer = createResealer(sealed, { logger, check, wait });
  const runUntilSealed = async (): Promise<void> => {
    resealer.start();
    await until(() => lines.some(({ event }) => event === 'sealing.completed'));
  };
  return { plain, sealed, resealer, runUntilSealed, lines, logger, waits, check };
}

/** Counts the records of a kind that the next start would have to seal. */
async function countStale(plain: RecordStore, kind: 'subscription' | 'event'): Promise<number> {
  const sealed = sealedStore(plain, [key, olderKey]);
  for await (const [id, value] of sealed.records.list(kind)) expect(value).toEqual(recordOf(kind, id));
  return sealed.stale[kind].size;
}

describe('the resealer', () => {
  it('seals all records in small batches, and logs the counts once', async () => {
    const { plain, runUntilSealed, lines, waits, resealer } = await setUp({ subscription: 130, event: 9 });
    await runUntilSealed();
    expect(lines.map(({ level, event, fields }) => ({ level, event, fields }))).toEqual([
      {
        level: 'info',
        event: 'sealing.completed',
        fields: { sealedWith: key.id, subscriptions: 130, events: 9, unreadable: 0 },
      },
    ]);
    expect(waits).toEqual(Array.from({ length: 3 + 3 }, () => 50));
    expect([await countStale(plain, 'subscription'), await countStale(plain, 'event')]).toEqual([0, 0]);
    await resealer.stop();
  });

  it('reseals records sealed with an older key', async () => {
    const { plain, sealed, runUntilSealed } = await setUp({ subscription: 1, event: 0 });
    await sealedStore(plain, [olderKey]).records.set('subscription', 'older', recordOf('subscription', 'older'));
    for await (const [id] of sealed.records.list('subscription')) expect(id).toBeDefined();
    await runUntilSealed();
    expect(await countStale(plain, 'subscription')).toBe(0);
    expect(await sealedStore(plain, [key]).records.get('subscription', 'older')).toEqual(
      recordOf('subscription', 'older'),
    );
  });

  it('changes and logs nothing when all records are sealed, or there is no key', async () => {
    const { plain, sealed, resealer, lines, waits } = await setUp({ subscription: 0, event: 0 });
    const sealedRows: unknown[] = [];
    for (const kind of ['subscription', 'event'] as const) {
      await sealed.records.set(kind, 'sealed', recordOf(kind, 'sealed'));
      sealedRows.push(await plain.get(kind, 'sealed'));
      for await (const [id] of sealed.records.list(kind)) expect(id).toBe('sealed');
    }
    resealer.start();
    await resealer.stop();
    expect([await plain.get('subscription', 'sealed'), await plain.get('event', 'sealed')]).toEqual(sealedRows);
    const unsealedPlain = await openStore('memory');
    await unsealedPlain.set('subscription', 's', recordOf('subscription', 's'));
    const unsealed = sealedStore(unsealedPlain, []);
    for await (const [id] of unsealed.records.list('subscription')) expect(id).toBe('s');
    const { logger, lines: idleLines } = new FakeWorld();
    const idleResealer = createResealer(unsealed, { logger, check: { subscription: () => {}, event: () => {} } });
    idleResealer.start();
    await idleResealer.stop();
    expect([...lines, ...idleLines, ...waits]).toEqual([]);
    expect(await unsealedPlain.get('subscription', 's')).toEqual(recordOf('subscription', 's'));
  });

  it('counts a record that is not of its kind as unreadable, and leaves it unchanged', async () => {
    const { plain, sealed, lines, logger } = await setUp({ subscription: 3, event: 0 });
    const subscription = (id: string): void => {
      if (id === '1') throw new StoreError('it does not hold a subscription');
    };
    const resealer = createResealer(sealed, { logger, check: { subscription, event: () => {} }, wait: async () => {} });
    resealer.start();
    await until(() => lines.length > 0);
    expect(lines[0]).toMatchObject({ event: 'sealing.completed', fields: { subscriptions: 2, unreadable: 1 } });
    expect(await plain.get('subscription', '1')).toEqual(recordOf('subscription', '1'));
    await resealer.stop();
  });

  it('retries after a minute when the store fails', async () => {
    let failures = 2;
    const { plain, runUntilSealed, lines, waits } = await setUp({ subscription: 5, event: 1 }, (store) => ({
      ...store,
      set: async (kind, id, value) => {
        if (id === '3' && failures > 0) {
          failures -= 1;
          throw new StoreError('out of order');
        }
        await store.set(kind, id, value);
      },
    }));
    await runUntilSealed();
    expect(waits).toEqual([60_000, 60_000, 50, 50]);
    expect(lines.map(({ level, event }) => [level, event])).toEqual([
      ['warn', 'sealing.delayed'],
      ['warn', 'sealing.delayed'],
      ['info', 'sealing.completed'],
    ]);
    expect(lines.at(-1)?.fields).toMatchObject({ subscriptions: 5, events: 1 });
    expect(await countStale(plain, 'subscription')).toBe(0);
  });

  it('stops midway with nothing in flight, and the next start finds the remaining records', async () => {
    const [waitStarted, waitMayEnd] = [deferred(), deferred()];
    const { plain, sealed, lines, logger, check } = await setUp({ subscription: 200, event: 5 });
    const resealer = createResealer(sealed, {
      logger,
      check,
      wait: async (_, signal) => {
        waitStarted.resolve();
        await waitMayEnd.promise;
        signal.throwIfAborted();
      },
    });
    resealer.start();
    await waitStarted.promise;
    const stopped = resealer.stop();
    waitMayEnd.resolve();
    await stopped;
    expect(lines).toEqual([]);
    expect([await countStale(plain, 'subscription'), await countStale(plain, 'event')]).toEqual([200 - 64, 5]);
  });

  it('stop() ends the wait of the default timer', async () => {
    const firstBatchWritten = deferred();
    let writes = 0;
    const { plain, sealed, logger, check } = await setUp({ subscription: 200, event: 0 }, (store) => ({
      ...store,
      set: async (kind, id, value) => {
        await store.set(kind, id, value);
        writes += 1;
        if (writes === 64) firstBatchWritten.resolve();
      },
    }));
    const resealer = createResealer(sealed, { logger, check });
    resealer.start();
    await firstBatchWritten.promise;
    // The wait has begun after a turn. It takes 50 ms, and the turns after `stop()` much less.
    await macrotasks(1);
    let hasStopped = false;
    const stopping = resealer.stop().then(() => (hasStopped = true));
    await macrotasks(2);
    expect(hasStopped).toBe(true);
    await stopping;
    expect(await countStale(plain, 'subscription')).toBeGreaterThan(0);
  });
});
