import { setImmediate as macrotask } from 'node:timers/promises';

/** A row from the store's adapter: its key, and the value Keyv wrote. */
export type AdapterRow = readonly [key: string, raw: unknown];

/** Returns a lister of an adapter's rows in a Keyv namespace; undefined when the adapter cannot list. */
export function rowListerOf(adapter: unknown): ((namespace?: string) => AsyncIterable<AdapterRow>) | undefined {
  if (adapter instanceof Map) return () => mapRows(adapter);
  if (typeof adapter !== 'object' || adapter === null) return undefined;
  if (isSqlite(adapter)) return (namespace) => sqliteRows(adapter, namespace);
  if (canIterate(adapter)) return (namespace) => adapterRows(adapter, namespace);
  return undefined;
}

/** Rows of a map listed before yielding to the event loop. */
const ROWS_PER_SLICE = 1_000;

async function* mapRows(map: ReadonlyMap<unknown, unknown>): AsyncGenerator<AdapterRow> {
  for (const [index, key] of [...map.keys()].entries()) {
    if (typeof key === 'string') yield [key, map.get(key)];
    // A map never waits for I/O, so yield explicitly.
    if (index % ROWS_PER_SLICE === ROWS_PER_SLICE - 1) await macrotask();
  }
}

interface IterableAdapter {
  iterator(namespace?: string): AsyncIterable<readonly unknown[]>;
}

interface ErrorEvents {
  on(event: 'error', listener: (error: unknown) => void): unknown;
  off(event: 'error', listener: (error: unknown) => void): unknown;
}

/**
 * Yields the rows of the adapter's iterator. Keyv's PostgreSQL adapter stops silently when a query fails and only emits
 * the error, so an error with no row after it is thrown. Redis may return a row twice when its table grows or shrinks
 * meanwhile; each row is yielded once.
 */
async function* adapterRows(adapter: IterableAdapter, namespace: string | undefined): AsyncGenerator<AdapterRow> {
  let failed: { readonly cause: unknown } | undefined;
  const seen = new Set<string>();
  const listener = (cause: unknown): void => {
    failed = { cause };
  };
  const events = hasEvents(adapter) ? adapter : undefined;
  events?.on('error', listener);
  try {
    for await (const [key, raw] of adapter.iterator(namespace)) {
      failed = undefined;
      if (typeof key !== 'string' || seen.has(key)) continue;
      seen.add(key);
      yield [key, raw];
    }
  } finally {
    events?.off('error', listener);
  }
  if (failed !== undefined) throw failed.cause;
}

interface SqliteAdapter {
  readonly opts: { readonly table: string };
  query(sql: string, ...values: unknown[]): Promise<readonly { readonly key: string; readonly value: unknown }[]>;
}

/** Pages by key. The adapter pages by offset, where a row deleted meanwhile would hide another. */
async function* sqliteRows(adapter: SqliteAdapter, namespace: string | undefined): AsyncGenerator<AdapterRow> {
  const prefix = namespace === undefined ? '' : `${namespace}:`;
  const sql = `SELECT key, value FROM ${adapter.opts.table} WHERE key > ? AND substr(key, 1, ?) = ? ORDER BY key LIMIT 500`;
  let after = prefix;
  for (;;) {
    const rows = await adapter.query(sql, after, prefix.length, prefix);
    for (const row of rows) yield [row.key, row.value];
    const last = rows.at(-1);
    if (last === undefined) return;
    after = last.key;
  }
}

function canIterate(adapter: object): adapter is IterableAdapter {
  return 'iterator' in adapter && typeof adapter.iterator === 'function';
}

function hasEvents(adapter: object): adapter is ErrorEvents {
  return 'on' in adapter && typeof adapter.on === 'function' && 'off' in adapter && typeof adapter.off === 'function';
}

function isSqlite(adapter: object): adapter is SqliteAdapter {
  if (!('opts' in adapter) || !('query' in adapter) || typeof adapter.query !== 'function') return false;
  const { opts } = adapter;
  return (
    typeof opts === 'object' &&
    opts !== null &&
    'dialect' in opts &&
    opts.dialect === 'sqlite' &&
    'table' in opts &&
    typeof opts.table === 'string'
  );
}
