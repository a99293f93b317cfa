import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Keyv } from 'keyv';
import { afterAll, describe } from 'vitest';
import { openStore } from '../../src/store/open-store.js';
import { recordStoreContract } from './record-store.js';
import { answers, mysql, postgres, redis } from './servers.js';

const directory = mkdtempSync(join(tmpdir(), 'websub-records-'));
const namespace = `websub-${randomBytes(6).toString('hex')}`;

afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

recordStoreContract('memory', { open: () => openStore('memory'), survivesClose: false });

recordStoreContract('LMDB', { open: () => openStore('lmdb://records.d', { directory }), survivesClose: true });

const map = new Map<string, unknown>();
recordStoreContract("a user's Keyv over a Map", { open: () => openStore(new Keyv(map)), survivesClose: true });

const plain = new Map<string, unknown>();
recordStoreContract("a user's Keyv without a serializer or a namespace", {
  open: () => openStore(new Keyv({ store: plain, namespace: undefined, serialize: undefined, deserialize: undefined })),
  survivesClose: true,
});

for (const server of [redis, postgres, mysql]) {
  const available = await answers(server);
  describe.skipIf(!available)(server.name, () => {
    recordStoreContract(`${server.name} by URI`, {
      open: () => openStore(server.uri, { namespace }),
      survivesClose: true,
    });
  });
}

describe.skipIf(!(await answers(redis)))("a user's Keyv over Redis", async () => {
  const { default: KeyvRedis } = await import('@keyv/redis');
  const adapter = new KeyvRedis(redis.uri);
  afterAll(() => adapter.disconnect());
  recordStoreContract('Redis', {
    open: () => openStore(new Keyv(adapter, { namespace: `app:${namespace}` })),
    survivesClose: true,
  });
});

describe.skipIf(!(await answers(mysql)))("a user's Keyv over MariaDB", async () => {
  const { KeyvMysql } = await import('@keyv/mysql');
  const adapter = new KeyvMysql(mysql.uri);
  afterAll(() => adapter.disconnect());
  recordStoreContract('MariaDB', {
    open: () => openStore(new Keyv(adapter), { namespace }),
    survivesClose: true,
  });
});

describe.skipIf(!isInstalled('@keyv/sqlite'))('SQLite', () => {
  recordStoreContract('SQLite by URI', {
    open: () => openStore('sqlite://records.sqlite', { directory }),
    survivesClose: true,
  });
});

function isInstalled(name: string): boolean {
  try {
    createRequire(import.meta.url).resolve(name);
    return true;
  } catch {
    console.warn(`SKIPPED: ${name} is not installed.`);
    return false;
  }
}
