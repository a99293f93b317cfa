import { describe, expect, it } from 'vitest';
import { StoreError } from '../../../src/errors.js';
import { decodeRecord, encodeRecord } from '../../../src/store/codec.js';
import { openStore } from '../../../src/store/open-store.js';
import { SEAL_PROBLEM } from '../../../src/store/sealing/seal-error.js';
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
const [firstKey, secondKey, thirdKey] = [sealKey(1), sealKey(2), sealKey(3)];
const acceptAny = (): void => {};

/** One store: `plain`, and as `sealedWith()` shows it with seal keys. */
async function setUp() {
  const plain = await openStore('memory');
  return { plain, sealedWith: (...keys: readonly SealKey[]): SealedStore => sealedStore(plain, keys) };
}

/** Lists the records of a kind, and the errors of unreadable ones. */
async function listAll(store: RecordStore, kind: RecordKind) {
  const unreadable: string[] = [];
  const records: [string, unknown][] = [];
  const onUnreadable = ({ message }: Error): void => void unreadable.push(message);
  for await (const [id, value] of store.list(kind, { onUnreadable })) records.push([id, value]);
  return { records, unreadable };
}

/** Reads a record like the code that knows its kind. */
async function readRecord(store: RecordStore, kind: RecordKind, id: string): Promise<unknown> {
  return decodeRecord(2, await store.get(kind, id), {}, id);
}

const textOf = (raw: unknown): string =>
  JSON.stringify(raw, (_, value: unknown) =>
    value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value,
  );

describe('a sealed store', () => {
  it('seals a subscription that is written together with other records', async () => {
    const { plain, sealedWith } = await setUp();
    const { records } = sealedWith(firstKey);
    await records.set('subscription', 'gone', subscription);
    await records.write([
      { kind: 'stats', id: 's', value: { received: 1 } },
      { kind: 'subscription', id: 'gone', value: undefined },
      { kind: 'subscription', id: 's', value: subscription },
    ]);
    expect(textOf(await plain.get('subscription', 's'))).not.toContain(SECRET);
    expect(await records.get('subscription', 's')).toEqual(subscription);
    expect(await plain.get('stats', 's')).toEqual({ received: 1 });
    expect(await plain.get('subscription', 'gone')).toBeUndefined();
  });

  it('hides the secret, the callback and everything else of a subscription', async () => {
    const { plain, sealedWith } = await setUp();
    await sealedWith(firstKey).records.set('subscription', 's', subscription);
    const raw = textOf(await plain.get('subscription', 's'));
    for (const text of [SECRET, CALLBACK, 'record', '"s"']) expect(raw).not.toContain(text);
    expect(await sealedWith(firstKey).records.get('subscription', 's')).toEqual(subscription);
  });

  it('hides the headers of an event, and leaves its body unchanged', async () => {
    const { plain, sealedWith } = await setUp();
    await sealedWith(firstKey).records.set('event', 'e', event);
    const raw = textOf(await plain.get('event', 'e'));
    expect(raw).not.toContain('a-token');
    expect(raw).not.toContain('x-original-uri');
    expect(raw).toContain('the content');
    expect(await sealedWith(firstKey).records.get('event', 'e')).toEqual(event);
    expect(await listAll(sealedWith(firstKey).records, 'event')).toEqual({ records: [['e', event]], unreadable: [] });
  });

  it('leaves records of other kinds unchanged', async () => {
    const { plain, sealedWith } = await setUp();
    for (const kind of ['seen', 'alive', 'owner'] as const) {
      await sealedWith(firstKey).records.set(kind, 'x', { plain: true });
      expect(await plain.get(kind, 'x')).toEqual({ plain: true });
    }
  });

  it('opens with any key, seals with the first, and knows which records another key sealed', async () => {
    const { sealedWith } = await setUp();
    await sealedWith(firstKey).records.set('subscription', 'old', subscription);
    const rotated = sealedWith(secondKey, firstKey);
    await rotated.records.set('subscription', 'new', subscription);
    const { records } = await listAll(rotated.records, 'subscription');
    expect(Object.fromEntries(records)).toEqual({ new: subscription, old: subscription });
    expect([...rotated.stale.subscription]).toEqual(['old']);
    expect(await sealedWith(secondKey).records.get('subscription', 'new')).toEqual(subscription);
  });

  it('reads records written before there was a key', async () => {
    const { plain, sealedWith } = await setUp();
    await plain.set('subscription', 's', subscription);
    await plain.set('event', 'e', event);
    const sealed = sealedWith(firstKey);
    expect((await listAll(sealed.records, 'subscription')).records).toEqual([['s', subscription]]);
    expect((await listAll(sealed.records, 'event')).records).toEqual([['e', event]]);
    expect([...sealed.stale.subscription, ...sealed.stale.event]).toEqual(['s', 'e']);
  });

  it.each([
    ['no key', [], /no seal key is configured\. .*security\.sealKey.*WEBSUB_SEAL_KEY/],
    [
      'other keys',
      [secondKey, thirdKey],
      new RegExp(`only other keys are configured \\(${secondKey.id}, ${thirdKey.id}\\)`),
    ],
  ])('is refused with %s, naming the record and its key, and never looks empty', async (_, keys, message) => {
    const { sealedWith } = await setUp();
    for (const [kind, record] of [
      ['subscription', subscription],
      ['event', event],
    ] as const) {
      await sealedWith(firstKey).records.set(kind, 'x', record);
      const { records } = sealedWith(...keys);
      for (const failure of [await failureOf(listAll(records, kind)), await failureOf(records.get(kind, 'x'))]) {
        expect(failure).toBeInstanceOf(StoreError);
        expect(failure.message).toMatch(message);
        expect(failure.message).toContain(`the record ${kind} x needs the seal key ${firstKey.id}`);
        for (const byte of [1, 2, 3]) expect(failure.message).not.toContain(keyText(byte).slice(0, 8));
      }
    }
  });

  it('reports a changed, truncated or moved record as unreadable, and leaves it unchanged', async () => {
    const { plain, sealedWith } = await setUp();
    const { records } = sealedWith(firstKey);
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

    const { records: readable, unreadable } = await listAll(records, 'subscription');
    expect(readable.map(([id]) => id).toSorted()).toEqual(['good', 'moved-from']);
    expect(unreadable).toHaveLength(6);
    for (const id of Object.keys(rows)) {
      const failure = await failureOf(readRecord(records, 'subscription', id));
      expect(failure).toBeInstanceOf(StoreError);
      expect(failure.message).toMatch(
        new RegExp(`^The sealed record subscription ${id} cannot be opened: .*left unchanged`),
      );
      expect(textOf(await plain.get('subscription', id))).toBe(textOf(Object(rows)[id]));
    }
    await expect(readRecord(records, 'event', 'moved-from')).rejects.toThrow(SEAL_PROBLEM.changed);
  });

  it('lists all readable records before it throws for an unreadable record, if there is no onUnreadable', async () => {
    const { plain, sealedWith } = await setUp();
    const { records } = sealedWith(firstKey);
    await records.set('subscription', 'good', subscription);
    await plain.set('subscription', 'bad', { v: 1_000_000, data: {} });
    const ids: string[] = [];
    const listing = async (): Promise<void> => {
      for await (const [id] of records.list('subscription')) ids.push(id);
    };
    expect((await failureOf(listing())).message).toMatch(/subscription bad cannot be opened/);
    expect(ids).toEqual(['good']);
  });

  it('gives a sealed record version 1000000, which a release without sealing refuses as too new', async () => {
    const { plain, sealedWith } = await setUp();
    for (const [kind, record] of [
      ['subscription', subscription],
      ['event', event],
    ] as const) {
      await sealedWith(firstKey).records.set(kind, 'x', record);
      expect(await plain.get(kind, 'x')).toMatchObject({ v: 1_000_000 });
      const failure = await failureOf(readRecord(plain, kind, 'x'));
      expect(failure).toBeInstanceOf(StoreError);
      expect(failure.message).toMatch(/^The record x has version 1000000;/);
    }
  });

  it('refuses values that are not plain data with a StoreError', async () => {
    const { sealedWith } = await setUp();
    const failure = await failureOf(sealedWith(firstKey).records.set('subscription', 's', { when: new Date() }));
    expect(failure).toBeInstanceOf(StoreError);
    expect(failure.message).toMatch(/subscription s could not be sealed: .*a Date/);
  });
});

describe('resealing a stored record', () => {
  it('writes the same record, sealed with the first key', async () => {
    const { plain, sealedWith } = await setUp();
    await plain.set('subscription', 's', subscription);
    await plain.set('event', 'e', event);
    const sealed = sealedWith(firstKey);
    await listAll(sealed.records, 'subscription');
    await listAll(sealed.records, 'event');
    expect(await sealed.reseal('subscription', 's', acceptAny)).toBe('sealed');
    expect(await sealed.reseal('event', 'e', acceptAny)).toBe('sealed');
    expect(textOf(await plain.get('subscription', 's'))).not.toContain(SECRET);
    expect(textOf(await plain.get('event', 'e'))).not.toContain('a-token');
    expect(sealed.stale).toEqual({ subscription: new Set(), event: new Set() });
    const reopened = sealedWith(firstKey);
    expect((await listAll(reopened.records, 'subscription')).records).toEqual([['s', subscription]]);
    expect((await listAll(reopened.records, 'event')).records).toEqual([['e', event]]);
    expect(reopened.stale.subscription.size + reopened.stale.event.size).toBe(0);
  });

  it('skips records written or deleted since they were read, and records not of their kind', async () => {
    const { plain, sealedWith } = await setUp();
    for (const id of ['written', 'deleted', 'spoilt', 'vanished']) await plain.set('subscription', id, subscription);
    const sealed = sealedWith(firstKey);
    await listAll(sealed.records, 'subscription');
    const newer = encodeRecord(2, 'newer');
    await sealed.records.set('subscription', 'written', newer);
    await sealed.records.delete('subscription', 'deleted');
    await plain.delete('subscription', 'vanished');
    const refuse = (): void => {
      throw new Error('no subscription');
    };
    expect(await sealed.reseal('subscription', 'written', acceptAny)).toBe('gone');
    expect(await sealed.reseal('subscription', 'deleted', acceptAny)).toBe('gone');
    expect(await sealed.reseal('subscription', 'vanished', acceptAny)).toBe('gone');
    expect(await sealed.reseal('subscription', 'spoilt', refuse)).toBe('unreadable');
    expect(await sealed.records.get('subscription', 'written')).toEqual(newer);
    expect(await plain.get('subscription', 'deleted')).toBeUndefined();
    expect(await plain.get('subscription', 'vanished')).toBeUndefined();
    expect(await plain.get('subscription', 'spoilt')).toEqual(subscription);
  });

  it.each(['get', 'set'] as const)('does not undo a write or delete that comes during its %s', async (operation) => {
    const plain = await openStore('memory');
    await plain.set('subscription', 'written', subscription);
    await plain.set('subscription', 'deleted', subscription);
    const [operationStarted, operationMayEnd] = [deferred(), deferred()];
    let isPausing = false;
    const pausingStore: RecordStore = {
      ...plain,
      [operation]: async (kind: RecordKind, id: string, value: unknown) => {
        const pauses = isPausing;
        // Reads take effect at once, writes later.
        const current = operation === 'get' ? await plain.get(kind, id) : undefined;
        if (pauses) {
          operationStarted.resolve();
          await operationMayEnd.promise;
        }
        return operation === 'get' ? current : plain.set(kind, id, value);
      },
    };
    const sealed = sealedStore(pausingStore, [firstKey]);
    await listAll(sealed.records, 'subscription');
    isPausing = true;
    const resealing = ['written', 'deleted'].map((id) => sealed.reseal('subscription', id, acceptAny));
    await operationStarted.promise;
    const newer = encodeRecord(2, 'newer');
    const laterWrites = [
      sealed.records.set('subscription', 'written', encodeRecord(2, 'in between')),
      sealed.records.set('subscription', 'written', newer),
      sealed.records.delete('subscription', 'deleted'),
    ];
    isPausing = false;
    operationMayEnd.resolve();
    await Promise.all([...resealing, ...laterWrites]);
    expect(await sealed.records.get('subscription', 'written')).toEqual(newer);
    expect(await sealed.records.get('subscription', 'deleted')).toBeUndefined();
  });

  it('leaves a record stale if the store refuses the write, unless the record was written meanwhile', async () => {
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
    const sealed = sealedStore(failing, [firstKey]);
    await listAll(sealed.records, 'subscription');
    await expect(sealed.reseal('subscription', 's', acceptAny)).rejects.toThrow('out');
    expect([...sealed.stale.subscription]).toEqual(['s']);
    const secondReseal = sealed.reseal('subscription', 's', acceptAny);
    const newer = encodeRecord(2, 'newer');
    const written = sealed.records.set('subscription', 's', newer);
    await expect(secondReseal).rejects.toThrow('out');
    await written;
    expect([...sealed.stale.subscription]).toEqual([]);
    expect(await sealed.records.get('subscription', 's')).toEqual(newer);
  });
});
