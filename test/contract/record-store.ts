import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { StoreError } from '../../src/errors.js';
import type { RecordKind, RecordStore } from '../../src/store/record-store.js';

/** The store to test. */
export interface RecordStoreSubject {
  /** Opens the store; each call opens the same records. */
  open(): Promise<RecordStore>;
  /** Whether a later opening sees records written by an earlier one. */
  readonly survivesClose: boolean;
}

const kinds: readonly RecordKind[] = ['subscription', 'stats', 'history', 'event', 'owner'];

/** Defines the tests that every record store must pass, for any backend. */
export function recordStoreContract(name: string, subject: RecordStoreSubject): void {
  describe(`records in ${name}`, () => {
    let store: RecordStore;

    beforeEach(async () => {
      store = await subject.open();
    });

    afterEach(async () => {
      const cleaner = subject.survivesClose ? await subject.open() : store;
      for (const kind of kinds) {
        for await (const [id] of cleaner.list(kind, { onUnreadable: () => undefined })) await cleaner.delete(kind, id);
      }
      await cleaner.close();
      await store.close();
    });

    test('a record that was never written is undefined', async () => {
      expect(await store.get('subscription', 'nobody')).toBeUndefined();
    });

    test('a value is read back unchanged, bytes as Uint8Array', async () => {
      const value = {
        text: 'día ☃ 🎉 "quoted" \\ \u0000',
        numbers: [0, -1, 1.5, 2 ** 40, Number.MAX_SAFE_INTEGER],
        flags: { yes: true, no: false, nothing: null },
        nested: [{ body: Uint8Array.from([0, 255, 128, 10]) }],
        empty: { object: {}, array: [], bytes: new Uint8Array(0), text: '' },
      };
      await store.set('event', 'e1', value);
      const stored = await store.get('event', 'e1');
      expect(stored).toStrictEqual(value);
    });

    test('data that looks like encoded bytes stays data', async () => {
      const value = { $bytes: 'AAAA', $$bytes: 1, list: [{ $bytes: new Uint8Array([1]) }], type: 'Buffer', data: [1] };
      await store.set('subscription', 'tricky', value);
      expect(await store.get('subscription', 'tricky')).toStrictEqual(value);
    });

    test('every plain value can be a record', async () => {
      for (const value of [null, false, 0, '', ':base64:AAAA', '~1.2', [], new Uint8Array([7])]) {
        await store.set('subscription', 'value', value);
        expect(await store.get('subscription', 'value')).toStrictEqual(value);
      }
    });

    test('a written value is not shared with the store', async () => {
      const value = { list: [1] };
      await store.set('subscription', 'mine', value);
      value.list.push(2);
      const first = await store.get('subscription', 'mine');
      expect(first).toStrictEqual({ list: [1] });
      expect(await store.get('subscription', 'mine')).not.toBe(first);
    });

    test('a second write replaces the value', async () => {
      await store.set('subscription', 's', { n: 1, old: true });
      await store.set('subscription', 's', { n: 2 });
      expect(await store.get('subscription', 's')).toStrictEqual({ n: 2 });
    });

    test("a record deleted 'soon' is gone when the delete resolves; a later write stays", async () => {
      await Promise.all(['a', 'b', 'c'].map((id) => store.set('event', id, { id })));
      const deleted = ['a', 'b', 'none'].map((id) => store.delete('event', id, 'soon'));
      // No store defines an order for concurrent operations on one record.
      await Promise.all([...deleted, store.set('event', 'd', { id: 'd' })]);
      expect(await store.get('event', 'b')).toBeUndefined();
      await store.set('event', 'b', { id: 'new' });
      const reads = ['a', 'b', 'c', 'd'].map((id) => store.get('event', id));
      expect(await Promise.all(reads)).toStrictEqual([undefined, { id: 'new' }, { id: 'c' }, { id: 'd' }]);
      await store.delete('event', 'b', 'soon');
      await store.delete('event', 'b', 'soon');
      expect(await store.get('event', 'b')).toBeUndefined();
    });

    test('a deleted record is gone, and deleting it again is not an error', async () => {
      await store.set('event', 'e', 1);
      await store.delete('event', 'e');
      await store.delete('event', 'e');
      expect(await store.get('event', 'e')).toBeUndefined();
    });

    test('records of different kinds can share an id', async () => {
      for (const kind of kinds) await store.set(kind, 'same', kind);
      await store.delete('event', 'same');
      for (const kind of kinds) expect(await store.get(kind, 'same')).toBe(kind === 'event' ? undefined : kind);
    });

    test('ids that differ in case, accent or punctuation are different records', async () => {
      const ids = [
        'abc',
        'ABC',
        'aBc',
        'ábc',
        'a:b',
        'a%3ab',
        'a_b',
        'a%b',
        'a b',
        ' ',
        'https://example.com/?q=1&r=é#x',
      ];
      for (const id of ids) await store.set('subscription', id, { id });
      for (const id of ids) expect(await store.get('subscription', id)).toStrictEqual({ id });
      expect(sorted(await recordsOf(store, 'subscription'))).toStrictEqual(sorted(ids.map((id) => [id, { id }])));
    });

    test('an empty or over-long id is rejected with an error that names it', async () => {
      await expect(store.set('event', '', 1)).rejects.toThrow(StoreError);
      await expect(store.set('event', 'x'.repeat(300), 1)).rejects.toThrow(/^The event id is "x+"; .* 220 characters/);
      await expect(store.get('event', 'x'.repeat(300))).rejects.toThrow(StoreError);
    });

    test('list returns all records of a kind and no other', async () => {
      expect(await recordsOf(store, 'event')).toStrictEqual([]);
      const expected = Array.from({ length: 1_200 }, (_, index) => [`e${index}`, { index }] as const);
      await inParallel(expected, ([id, value]) => store.set('event', id, value));
      await store.set('subscription', 'e1', 'another kind');
      expect(sorted(await recordsOf(store, 'event'))).toStrictEqual(sorted(expected));
    });

    test('deleting records during list does not hide others', async () => {
      const ids = Array.from({ length: 1_100 }, (_, index) => `e${index}`);
      await inParallel(ids, (id) => store.set('event', id, id));
      const listed: string[] = [];
      for await (const [id] of store.list('event')) {
        listed.push(id);
        await store.delete('event', id);
      }
      expect(listed.sort()).toStrictEqual([...ids].sort());
      expect(await recordsOf(store, 'event')).toStrictEqual([]);
    });

    test('list can be stopped early', async () => {
      await store.set('event', 'a', 1);
      await store.set('event', 'b', 2);
      for await (const [id] of store.list('event')) {
        expect(['a', 'b']).toContain(id);
        break;
      }
      expect(await store.get('event', 'b')).toBe(2);
    });

    test('a body of 300 kB is stored, listed once, replaced and deleted completely', async () => {
      const bodyOf = (value: unknown): Buffer => Buffer.from(Object(value).body);
      const large = { body: new Uint8Array(randomBytes(300_000)), quotes: '"\\'.repeat(50_000) };
      await store.set('event', 'large', large);
      const stored = await store.get('event', 'large');
      expect(bodyOf(stored).equals(large.body)).toBe(true);
      expect(Object(stored).quotes === large.quotes).toBe(true);

      const larger = { body: new Uint8Array(randomBytes(400_000)) };
      await store.set('event', 'large', larger);
      const [record, ...furtherRecords] = await recordsOf(store, 'event');
      expect(furtherRecords).toStrictEqual([]);
      expect(bodyOf(record?.[1]).equals(larger.body)).toBe(true);

      await store.set('event', 'large', 'small');
      expect(await recordsOf(store, 'event')).toStrictEqual([['large', 'small']]);
      await store.set('event', 'large', larger);
      await store.delete('event', 'large');
      expect(await store.get('event', 'large')).toBeUndefined();
    });

    test('64 concurrent writes are all stored', async () => {
      const ids = Array.from({ length: 64 }, (_, index) => `p${index}`);
      await Promise.all(ids.map((id) => store.set('event', id, { id })));
      expect(await Promise.all(ids.map((id) => store.get('event', id)))).toStrictEqual(ids.map((id) => ({ id })));
    });

    test('records survive a reopen', async ({ skip }) => {
      if (!subject.survivesClose) skip('this store lives as long as it is open');
      await store.set('subscription', 's', { bytes: new Uint8Array([1, 2]) });
      await store.close();
      const reopened = await subject.open();
      expect(await reopened.get('subscription', 's')).toStrictEqual({ bytes: new Uint8Array([1, 2]) });
      await reopened.close();
    });

    test("two openings see each other's writes, and closing one leaves the other open", async ({ skip }) => {
      if (!subject.survivesClose) skip('this store lives as long as it is open');
      const otherOpening = await subject.open();
      await store.set('subscription', 'shared', 1);
      expect(await otherOpening.get('subscription', 'shared')).toBe(1);
      await otherOpening.close();
      await store.set('subscription', 'shared', 2);
      expect(await store.get('subscription', 'shared')).toBe(2);
    });

    test('exchange, if the store has it, decides on the current value', async () => {
      if (store.exchange === undefined) return;
      await store.exchange('subscription', 'x', (current) => ({
        set: { was: current ?? null, bytes: new Uint8Array([1]) },
      }));
      await store.exchange('subscription', 'x', (current) => {
        expect(current).toStrictEqual({ was: null, bytes: new Uint8Array([1]) });
        return 'keep';
      });
      const refusal = new StoreError('no');
      await expect(
        store.exchange('subscription', 'x', () => {
          throw refusal;
        }),
      ).rejects.toBe(refusal);
      expect(await store.get('subscription', 'x')).toStrictEqual({ was: null, bytes: new Uint8Array([1]) });
      await store.exchange('subscription', 'x', () => 'delete');
      expect(await store.get('subscription', 'x')).toBeUndefined();
    });

    test('several records are written and removed together', async () => {
      await store.set('history', 'x', { old: true });
      await store.write([
        { kind: 'history', id: 'x', value: undefined },
        { kind: 'stats', id: 'x', value: { received: 1 } },
        { kind: 'subscription', id: 'x', value: { bytes: new Uint8Array([1]) } },
      ]);
      expect(await store.get('history', 'x')).toBeUndefined();
      expect(await store.get('stats', 'x')).toStrictEqual({ received: 1 });
      expect(await store.get('subscription', 'x')).toStrictEqual({ bytes: new Uint8Array([1]) });
      await store.write([]);
    });

    test('after close every call is rejected, and closing again is not an error', async () => {
      const closed = await subject.open();
      await closed.close();
      await closed.close();
      await expect(closed.get('subscription', 'x')).rejects.toThrow(
        /The record subscription x could not be read: the store .* is closed/,
      );
      await expect(closed.set('subscription', 'x', 1)).rejects.toThrow(StoreError);
      await expect(closed.delete('subscription', 'x')).rejects.toThrow(StoreError);
      await expect(closed.write([{ kind: 'subscription', id: 'x', value: 1 }])).rejects.toThrow(StoreError);
      await expect(recordsOf(closed, 'subscription')).rejects.toThrow(StoreError);
    });
  });
}

/** All records of a kind. */
export async function recordsOf(store: RecordStore, kind: RecordKind): Promise<(readonly [string, unknown])[]> {
  const records: (readonly [string, unknown])[] = [];
  for await (const record of store.list(kind)) records.push(record);
  return records;
}

function sorted<T extends readonly unknown[]>(records: readonly T[]): T[] {
  return [...records].sort(([left], [right]) => (String(left) < String(right) ? -1 : 1));
}

async function inParallel<T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<void> {
  for (let start = 0; start < items.length; start += 100) {
    await Promise.all(items.slice(start, start + 100).map(act));
  }
}
