import { randomBytes } from 'node:crypto';
import { Keyv } from 'keyv';
import { afterAll, describe } from 'vitest';
import { openStore } from '../../src/store/open-store.js';
import type { RecordStore } from '../../src/store/record-store.js';
import { sealedStore } from '../../src/store/sealing/sealed-store.js';
import { sealKey } from '../store/sealing/seal-keys.js';
import { recordStoreContract } from './record-store.js';
import { answers, isInstalled, mysql, postgres, redis } from './servers.js';
import { temporaryDirectory } from '../kit/temporary-directory.js';

const directory = temporaryDirectory(afterAll);
const namespace = `websub-${randomBytes(6).toString('hex')}`;

recordStoreContract('memory', { open: () => openStore('memory'), survivesClose: false });

recordStoreContract('LMDB', { open: () => openStore('lmdb://records.d', { directory }), survivesClose: true });

const sealedBy = (opening: Promise<RecordStore>): Promise<RecordStore> =>
  opening.then((store) => sealedStore(store, [sealKey(1), sealKey(2)]).records);

recordStoreContract('memory, sealed', { open: () => sealedBy(openStore('memory')), survivesClose: false });

recordStoreContract('LMDB, sealed', {
  open: () => sealedBy(openStore('lmdb://sealed.d', { directory })),
  survivesClose: true,
});

const rows = new Map<string, unknown>();
recordStoreContract("a user's Keyv over a Map", { open: () => openStore(new Keyv(rows)), survivesClose: true });

const unserializedRows = new Map<string, unknown>();
recordStoreContract("a user's Keyv without a serializer or a namespace", {
  open: () =>
    openStore(
      new Keyv({ store: unserializedRows, namespace: undefined, serialize: undefined, deserialize: undefined }),
    ),
  survivesClose: true,
});

for (const server of [redis, postgres, mysql]) {
  const isAvailable = await answers(server);
  describe.skipIf(!isAvailable)('by URI', () => {
    recordStoreContract(server.name, {
      open: () => openStore(server.uri, { namespace }),
      survivesClose: true,
    });
  });
}

const redisAnswers = await answers(redis);

describe.skipIf(!redisAnswers)('sealed, by URI', () => {
  recordStoreContract('Redis, sealed', {
    open: () => sealedBy(openStore(redis.uri, { namespace: `${namespace}-sealed` })),
    survivesClose: true,
  });
});

const mysqlAnswers = await answers(mysql);

// Vitest also runs the body of a skipped suite, and these adapters connect when they are constructed.
describe.skipIf(!redisAnswers)("a user's Keyv over Redis", async () => {
  if (!redisAnswers) return;
  const { default: KeyvRedis } = await import('@keyv/redis');
  const keyv = new Keyv(new KeyvRedis(redis.uri), { namespace: `app:${namespace}` });
  afterAll(() => keyv.disconnect());
  recordStoreContract('Redis', {
    open: () => openStore(keyv),
    survivesClose: true,
  });
});

describe.skipIf(!mysqlAnswers)("a user's Keyv over MariaDB", async () => {
  if (!mysqlAnswers) return;
  const { KeyvMysql } = await import('@keyv/mysql');
  const keyv = new Keyv(new KeyvMysql(mysql.uri));
  afterAll(() => keyv.disconnect());
  recordStoreContract('MariaDB', {
    open: () => openStore(keyv, { namespace }),
    survivesClose: true,
  });
});

const hasSqlite = isInstalled('@keyv/sqlite');
if (!hasSqlite) console.warn('SKIPPED: @keyv/sqlite is not installed.');

describe.skipIf(!hasSqlite)('SQLite', () => {
  recordStoreContract('SQLite by URI', {
    open: () => openStore('sqlite://records.sqlite', { directory }),
    survivesClose: true,
  });
});
