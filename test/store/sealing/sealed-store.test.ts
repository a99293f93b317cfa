import { describe, expect, it } from 'vitest';
import { StoreError } from '../../../src/errors.js';
import { decodeRecord, encodeRecord } from '../../../src/store/codec.js';
import { openStore } from '../../../src/store/open-store.js';
import type { RecordKind, RecordStore } from '../../../src/store/record-store.js';
import type { SealKey } from '../../../src/store/sealing/seal-key.js';
import { sealedStore, type SealedStore } from '../../../src/store/sealing/sealed-store.js';
import { failureOf } from '../../kit/failure-of.js';
import { deferred } from '../../kit/deferred.js';
import { keyText, sealKey } from './seal-keys.js';

const SECRET = 'what the hub signs with';
const CALLBACK = 'https://me.example.com/websub/a-token';
const subscription = encodeRecord(2, { record: { id: 's', secret: SECRET, callback: CALLBACK } });
const event = encodeRecord(1, {
  id: 'e',
  headers: [['x-original-uri', CALLBACK]],
  raw: new TextEncoder().encode('the content'),
});
const [first, second, third] = [sealKey(1), sealKey(2), sealKey(3)];
const accept = (): void => {};

/** One store, plain and through seal keys. */
async function world() {
  const plain = await openStore('memory');
  return { plain, by: (...keys: readonly SealKey[]): SealedStore => sealedStore(plain, keys) };
}

/** Lists the records of a kind, and the errors of unreadable ones. */
async function listed(store: RecordStore, kind: RecordKind) {
  const unreadable: string[] = [];
  const records: [string, unknown][] = [];
  const onUnreadable = ({ message }: Error): void => void unreadable.push(message);
  for await (const [id, value] of store.list(kind, { onUnreadable })) records.push([id, value]);
  return { records, unreadable };
}

/** Reads a record like the code that knows its kind. */
async function decoded(store: RecordStore, kind: RecordKind, id: string): Promise<unknown> {
  return decodeRecord(2, await store.get(kind, id), {}, id);
}

const textOf = (raw: unknown): string =>
  JSON.stringify(raw, (_, value: unknown) =>
    value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value,
  );

describe('a sealed store', () => {
  it('hides the secret, the callback and everything else of a subscription', async () => {
    const { plain, by } = await world();
    await by(first).records.set('subscription', 's', subscription);
    const raw = textOf(await plain.get('subscription', 's'));
    for (const text of [SECRET, CALLBACK, 'record', '"s"']) expect(raw).not.toContain(text);
    expect(await by(first).records.get('subscription', 's')).toEqual(subscription);
  });

  it('hides the headers of an event, and leaves its body unchanged', async () => {
    const { plain, by } = await world();
    await by(first).records.set('event', 'e', event);
    const raw = textOf(await plain.get('event', 'e'));
    expect(raw).not.toContain('a-token');
    expect(raw).not.toContain('x-original-uri');
    expect(raw).toContain('the content');
    expect(await by(first).records.get('event', 'e')).toEqual(event);
    expect(await listed(by(first).records, 'event')).toEqual({ records: [['e', event]], unreadable: [] });
  });

  it('leaves records of other kinds unchanged', async () => {
    const { plain, by } = await world();
    for (const kind of ['seen', 'alive', 'owner'] as const) {
      await by(first).records.set(kind, 'x', { plain: true });
      expect(await plain.get(kind, 'x')).toEqual({ plain: true });
    }
  });

  it('opens with any key, seals with the first, and knows which records another key sealed', async () => {
    const { by } = await world();
    await by(first).records.set('subscription', 'old', subscription);
    const both = by(second, first);
    await both.records.set('subscription', 'new', subscription);
    const { records } = await listed(both.records, 'subscription');
    expect(Object.fromEntries(records)).toEqual({ new: subscription, old: subscription });
    expect([...both.stale.subscription]).toEqual(['old']);
    expect(await by(second).records.get('subscription', 'new')).toEqual(subscription);
  });

  it('reads records written before there was a key', async () => {
    const { plain, by } = await world();
    await plain.set('subscription', 's', subscription);
    await plain.set('event', 'e', event);
    const sealed = by(first);
    expect((await listed(sealed.records, 'subscription')).records).toEqual([['s', subscription]]);
    expect((await listed(sealed.records, 'event')).records).toEqual([['e', event]]);
    expect([...sealed.stale.subscription, ...sealed.stale.event]).toEqual(['s', 'e']);
  });

  it.each([
    ['no key', [], /and no key was given\. Set that key with security\.sealKey or .* WEBSUB_SEAL_KEY/],
    ['other keys', [second, third], new RegExp(`the keys given are others \\(${second.id}, ${third.id}\\)`)],
  ])('is refused with %s, naming the record and its key, and never looks empty', async (_, keys, message) => {
    const { by } = await world();
    for (const [kind, record] of [
      ['subscription', subscription],
      ['event', event],
    ] as const) {
      await by(first).records.set(kind, 'x', record);
      const { records } = by(...keys);
      for (const failure of [await failureOf(listed(records, kind)), await failureOf(records.get(kind, 'x'))]) {
        expect(failure).toBeInstanceOf(StoreError);
        expect(failure.message).toMatch(message);
        expect(failure.message).toContain(`the record ${kind} x needs the seal key ${first.id}`);
        for (const byte of [1, 2, 3]) expect(failure.message).not.toContain(keyText(byte).slice(0, 8));
      }
    }
  });

  it('reports a changed, truncated or moved record as unreadable, and leaves it unchanged', async () => {
    const { plain, by } = await world();
    const { records } = by(first);
    await records.set('subscription', 'good', subscription);
    await records.set('subscription', 'moved-from', subscription);
    const sealed: { readonly v: number; readonly data: { readonly sealed: Uint8Array } } = Object(
      await plain.get('subscription', 'moved-from'),
    );
    const changed = Uint8Array.from(sealed.data.sealed);
    changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
    const rows = {
      changed: { ...sealed, data: { sealed: changed } },
      cut: { ...sealed, data: { sealed: changed.subarray(0, 40) } },
      empty: { ...sealed, data: {} },
      none: { v: sealed.v, data: undefined },
      moved: sealed,
      'as-an-event': { ...sealed, data: { ...sealed.data, rest: { v: 1, data: {} } } },
    };
    for (const [id, row] of Object.entries(rows)) await plain.set('subscription', id, row);
    await plain.set('event', 'moved-from', sealed);

    const { records: readable, unreadable } = await listed(records, 'subscription');
    expect(readable.map(([id]) => id).toSorted()).toEqual(['good', 'moved-from']);
    expect(unreadable).toHaveLength(6);
    for (const id of Object.keys(rows)) {
      const failure = await failureOf(decoded(records, 'subscription', id));
      expect(failure).toBeInstanceOf(StoreError);
      expect(failure.message).toMatch(
        new RegExp(`^The sealed record subscription ${id} cannot be opened: .*left as it is`),
      );
      expect(textOf(await plain.get('subscription', id))).toBe(textOf(Object(rows)[id]));
    }
    await expect(decoded(records, 'event', 'moved-from')).rejects.toThrow(/sealed for another record/);
  });

  it('lists every other record before it throws for those that cannot be opened, without onUnreadable', async () => {
    const { plain, by } = await world();
    const { records } = by(first);
    await records.set('subscription', 'good', subscription);
    await plain.set('subscription', 'bad', { v: 1_000_000, data: {} });
    const ids: string[] = [];
    const all = async (): Promise<void> => {
      for await (const [id] of records.list('subscription')) ids.push(id);
    };
    expect((await failureOf(all())).message).toMatch(/subscription bad cannot be opened/);
    expect(ids).toEqual(['good']);
  });

  it('makes a websub-subscriber without seals report a record of a newer version', async () => {
    const { plain, by } = await world();
    await by(first).records.set('subscription', 's', subscription);
    expect(await plain.get('subscription', 's')).toMatchObject({ v: 1_000_000 });
  });

  it('refuses values that are not plain data with a StoreError', async () => {
    const { by } = await world();
    const failure = await failureOf(by(first).records.set('subscription', 's', { when: new Date() }));
    expect(failure).toBeInstanceOf(StoreError);
    expect(failure.message).toMatch(/subscription s could not be sealed: .*a Date/);
  });
});

describe('resealing a stored record', () => {
  it('writes the same record, sealed with the first key', async () => {
    const { plain, by } = await world();
    await plain.set('subscription', 's', subscription);
    await plain.set('event', 'e', event);
    const sealed = by(first);
    await listed(sealed.records, 'subscription');
    await listed(sealed.records, 'event');
    expect(await sealed.reseal('subscription', 's', accept)).toBe('sealed');
    expect(await sealed.reseal('event', 'e', accept)).toBe('sealed');
    expect(textOf(await plain.get('subscription', 's'))).not.toContain(SECRET);
    expect(textOf(await plain.get('event', 'e'))).not.toContain('a-token');
    expect(sealed.stale).toEqual({ subscription: new Set(), event: new Set() });
    const again = by(first);
    expect((await listed(again.records, 'subscription')).records).toEqual([['s', subscription]]);
    expect((await listed(again.records, 'event')).records).toEqual([['e', event]]);
    expect(again.stale.subscription.size + again.stale.event.size).toBe(0);
  });

  it('skips records written or deleted since they were read, and records not of their kind', async () => {
    const { plain, by } = await world();
    for (const id of ['written', 'deleted', 'spoilt', 'vanished']) await plain.set('subscription', id, subscription);
    const sealed = by(first);
    await listed(sealed.records, 'subscription');
    const newer = encodeRecord(2, 'newer');
    await sealed.records.set('subscription', 'written', newer);
    await sealed.records.delete('subscription', 'deleted');
    await plain.delete('subscription', 'vanished');
    const refuse = (): void => {
      throw new Error('no subscription');
    };
    expect(await sealed.reseal('subscription', 'written', accept)).toBe('gone');
    expect(await sealed.reseal('subscription', 'deleted', accept)).toBe('gone');
    expect(await sealed.reseal('subscription', 'vanished', accept)).toBe('gone');
    expect(await sealed.reseal('subscription', 'spoilt', refuse)).toBe('unreadable');
    expect(await sealed.records.get('subscription', 'written')).toEqual(newer);
    expect(await plain.get('subscription', 'deleted')).toBeUndefined();
    expect(await plain.get('subscription', 'vanished')).toBeUndefined();
    expect(await plain.get('subscription', 'spoilt')).toEqual(subscription);
  });

  it.each(['get', 'set'] as const)('lets a write or delete during its %s win', async (operation) => {
    const plain = await openStore('memory');
    await plain.set('subscription', 'written', subscription);
    await plain.set('subscription', 'deleted', subscription);
    const [reached, released] = [deferred(), deferred()];
    let isHeld = false;
    const held: RecordStore = {
      ...plain,
      [operation]: async (kind: RecordKind, id: string, value: unknown) => {
        const isFirst = isHeld;
        // Reads take effect at once, writes later.
        const current = operation === 'get' ? await plain.get(kind, id) : undefined;
        if (isFirst) {
          reached.resolve();
          await released.promise;
        }
        return operation === 'get' ? current : plain.set(kind, id, value);
      },
    };
    const sealed = sealedStore(held, [first]);
    await listed(sealed.records, 'subscription');
    isHeld = true;
    const resealed = ['written', 'deleted'].map((id) => sealed.reseal('subscription', id, accept));
    await reached.promise;
    const newer = encodeRecord(2, 'newer');
    const order = [
      sealed.records.set('subscription', 'written', encodeRecord(2, 'in between')),
      sealed.records.set('subscription', 'written', newer),
      sealed.records.delete('subscription', 'deleted'),
    ];
    isHeld = false;
    released.resolve();
    await Promise.all([...resealed, ...order]);
    expect(await sealed.records.get('subscription', 'written')).toEqual(newer);
    expect(await sealed.records.get('subscription', 'deleted')).toBeUndefined();
  });

  it('that the store refuses leaves it stale, unless it was written meanwhile', async () => {
    const plain = await openStore('memory');
    await plain.set('subscription', 's', subscription);
    let failures = 2;
    const failing: RecordStore = {
      ...plain,
      set: async (kind, id, value) => {
        failures -= 1;
        if (failures >= 0) throw new StoreError('out');
        await plain.set(kind, id, value);
      },
    };
    const sealed = sealedStore(failing, [first]);
    await listed(sealed.records, 'subscription');
    await expect(sealed.reseal('subscription', 's', accept)).rejects.toThrow('out');
    expect([...sealed.stale.subscription]).toEqual(['s']);
    const again = sealed.reseal('subscription', 's', accept);
    const newer = encodeRecord(2, 'newer');
    const written = sealed.records.set('subscription', 's', newer);
    await expect(again).rejects.toThrow('out');
    await written;
    expect([...sealed.stale.subscription]).toEqual([]);
    expect(await sealed.records.get('subscription', 's')).toEqual(newer);
  });
});
