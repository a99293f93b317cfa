import { randomBytes } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { type Server, type Socket, createServer } from 'node:net';
import { join } from 'node:path';
import { asBinary, open } from 'lmdb';
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ConfigurationError, StoreError } from '../../src/errors.js';
import { openStore } from '../../src/store/open-store.js';

import { answers, isInstalled, mysql, postgres, redis } from '../contract/servers.js';
import { failureOf } from '../kit/failure-of.js';
import { runFixture } from '../kit/run-fixture.js';
import { temporaryDirectory } from '../kit/temporary-directory.js';
import { listenOn } from '../kit/ports.js';

const directory = temporaryDirectory(afterAll);

/** Counts the sockets and timers that keep the process alive. */
function countHandles(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap' || name === 'Timeout').length;
}

describe('an LMDB store', () => {
  test('is a directory, private to its user, and reports its location', async () => {
    const store = await openStore('lmdb://deep/my%20news', { directory });
    await store.set('subscription', 'a', 1);
    expect(store.location).toBe(`lmdb://${directory}/deep/my%20news`);
    expect(store.durable).toBe(true);
    expect(statSync(join(directory, 'deep/my news')).mode & 0o777).toBe(0o700);
    await store.close();
  });

  test('whose path is a file or lies below one throws an error that names the file', async () => {
    writeFileSync(join(directory, 'file'), 'mine');
    for (const path of ['file', 'file/below']) {
      const error = await failureOf(openStore(`lmdb://${path}`, { directory }));
      expect(error).toBeInstanceOf(StoreError);
      expect(error.message).toMatch(
        new RegExp(`^The store lmdb://${directory}/${path} could not be opened: .*/file is not a directory`),
      );
    }
    expect(readFileSync(join(directory, 'file'), 'utf8')).toBe('mine');
  });

  test.skipIf(process.platform !== 'linux')('whose directory cannot be created throws a StoreError', async () => {
    const error = await failureOf(openStore('lmdb:///sys/websub', { directory }));
    expect(error).toBeInstanceOf(StoreError);
    expect(error.message).toMatch(/^The store lmdb:\/\/\/sys\/websub could not be opened: E/);
  });

  test('with a file that is no database throws a StoreError', async () => {
    const store = await openStore('lmdb://broken', { directory });
    await store.close();
    writeFileSync(join(directory, 'broken', 'data.mdb'), 'x'.repeat(10_000));
    const error = await failureOf(openStore('lmdb://broken', { directory }));
    expect(error).toBeInstanceOf(StoreError);
    expect(error.message).toContain(`The store lmdb://${directory}/broken could not be opened: `);
  });

  test('with an undecodable record names that record, and lists all others', async () => {
    const store = await openStore('lmdb://corrupt', { directory });
    await store.set('event', 'a', 1);
    await store.set('event', 'b', 2);
    await store.set('event', 'c', 3);
    const raw = open(join(directory, 'corrupt'), { noSubdir: false });
    await raw.put('websub:event:b', asBinary(Buffer.from([0xc1])));
    await raw.put('websub:event:x', 'written by something else');
    await raw.close();

    const ids: string[] = [];
    const listing = async (): Promise<void> => {
      for await (const [id] of store.list('event')) ids.push(id);
    };
    const error = await failureOf(listing());
    expect(ids).toEqual(['a', 'c']);
    expect(error).toBeInstanceOf(StoreError);
    expect(error.message).toMatch(/^The record event b could not be read in lmdb:.*\(and 1 more event records\)$/);

    const reported: string[] = [];
    for await (const [id] of store.list('event', { onUnreadable: ({ message }) => reported.push(message) })) {
      expect(['a', 'c']).toContain(id);
    }
    expect(reported).toEqual([
      expect.stringContaining('The record event b could not be read'),
      expect.stringContaining('The record event x could not be read'),
    ]);
    expect((await failureOf(store.get('event', 'x'))).message).toContain('was not written by this adapter');
    await store.close();
  });
});

describe('a store by URI', () => {
  test('that names no store throws a ConfigurationError without its credentials', async () => {
    const error = await failureOf(openStore('mongodb://me:secret@db/x'));
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error.message).not.toContain('secret');
    expect(await failureOf(openStore(''))).toBeInstanceOf(ConfigurationError);
  });

  test('in memory is not durable, and separate from any other', async () => {
    const [one, other] = await Promise.all([openStore('memory'), openStore('memory')]);
    await one.set('subscription', 'a', 1);
    expect(await other.get('subscription', 'a')).toBeUndefined();
    expect([one.durable, one.location]).toEqual([false, 'memory']);
  });

  test.each([
    'redis://127.0.0.1:1',
    'postgres://me:hush@127.0.0.1:1/x',
    'mysql://me:hush@127.0.0.1:1/x',
    'mysql://me:hush@127.0.0.1:1/x?ssl=true',
  ])('at which nothing listens (%s) throws a StoreError soon, and leaves nothing open', async (uri) => {
    const handlesBefore = countHandles();
    const error = await failureOf(openStore(uri));
    expect(error).toBeInstanceOf(StoreError);
    expect(error.message).toMatch(
      /^The store \w+:\/\/(me:\*\*\*@)?127\.0\.0\.1:1(\/x)? could not be opened: .*ECONNREFUSED/,
    );
    expect(error.message).not.toContain('hush');
    await vi.waitFor(() => {
      expect(countHandles()).toBeLessThanOrEqual(handlesBefore);
    });
  });

  test('that its driver rejects throws a StoreError', async () => {
    const error = await failureOf(openStore('redis://:hush@127.0.0.1:1/not-a-number'));
    expect(error).toBeInstanceOf(StoreError);
    expect(error.message).toBe('The store redis://:***@127.0.0.1:1/not-a-number could not be opened: Invalid pathname');
  });

  test.skipIf(isInstalled('@keyv/sqlite'))(
    'whose adapter cannot be loaded throws a StoreError that names it',
    async () => {
      const error = await failureOf(openStore('sqlite://news.db', { directory }));
      expect(error).toBeInstanceOf(StoreError);
      expect(error.message).toContain('@keyv/sqlite');
    },
  );

  test.each(['ssl=false', 'charset=latin1'])(
    'of MySQL with a parameter the adapter would ignore (%s) is refused',
    async (query) => {
      const error = await failureOf(openStore(`mysql://me:hush@127.0.0.1:1/x?${query}`));
      expect(error).toBeInstanceOf(ConfigurationError);
      expect(error.message).toContain(
        `has the parameter "${query.split('=')[0]}"; a mysql:// URI supports only ssl=true`,
      );
    },
  );

  test.skipIf(isInstalled('@keyv/sqlite'))(
    'whose adapter is not installed throws a StoreError with the install command',
    { timeout: 20_000 },
    async () => {
      // In a separate process: the test runner resolves packages differently.
      const { line, ended } = runFixture('use-and-leave.ts', `sqlite://${directory}/news.db`);
      expect(await line('StoreError: ')).toMatch(
        /needs the package @keyv\/sqlite, which is not installed\. Run: npm install @keyv\/sqlite$/,
      );
      expect(await ended).toBe(1);
    },
  );

  describe('whose server accepts and never answers', () => {
    const sockets = new Set<Socket>();
    let server: Server;
    let port: number;

    beforeEach(async () => {
      server = createServer((socket) => {
        sockets.add(socket);
        socket.on('error', () => undefined);
        socket.once('close', () => sockets.delete(socket)).resume();
      });
      port = await listenOn(server);
    });

    afterEach(async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    });

    test.each(['redis', 'postgres', 'mysql'])('throws a StoreError within the timeout (%s)', async (scheme) => {
      const error = await failureOf(openStore(`${scheme}://me:hush@127.0.0.1:${port}/1`, { timeoutMs: 150 }));
      expect(error).toBeInstanceOf(StoreError);
      expect(error.message).toMatch(
        new RegExp(`^The store ${scheme}://me:\\*\\*\\*@127.0.0.1:${port}/1 could not be opened: `),
      );
      await vi.waitFor(() => {
        expect(sockets.size).toBe(0);
      });
    });
  });
});

const available = { redis: await answers(redis), postgres: await answers(postgres), mysql: await answers(mysql) };

describe('a server that refuses', () => {
  test.skipIf(!available.redis)('a password (Redis) causes a StoreError that says so', async () => {
    const uri = redis.uri.replace('//', '//nobody:wr0ng-secret@');
    const error = await failureOf(openStore(uri));
    expect(error).toBeInstanceOf(StoreError);
    expect(error.message).toMatch(/^The store redis:\/\/nobody:\*\*\*@.* could not be opened: (WRONGPASS|ERR)/);
    expect(JSON.stringify([error.message, String(error.cause)])).not.toContain('wr0ng-secret');
  });

  test.skipIf(!available.postgres)('a database (PostgreSQL) causes a StoreError that says so', async () => {
    const error = await failureOf(openStore(new URL('/no-such-database', postgres.uri).href));
    expect(error).toBeInstanceOf(StoreError);
    expect(error.message).toMatch(/could not be opened: database "no-such-database" does not exist$/);
  });

  test.skipIf(!available.mysql)('a password (MariaDB) causes a StoreError that says so', async () => {
    const uri = new URL(mysql.uri);
    uri.password = 'wr0ng-secret';
    const error = await failureOf(openStore(uri.href));
    expect(error).toBeInstanceOf(StoreError);
    expect(error.message).toMatch(/could not be opened: Access denied for user/);
    expect(error.message).not.toContain('wr0ng-secret');
  });
});

describe('an LMDB store whose file reaches the limit of its size', () => {
  test.runIf(process.platform === 'linux')(
    'reports the failed write, keeps its records, and can still delete',
    { timeout: 20_000 },
    async () => {
      const { line, ended } = runFixture('fill-store.ts', `lmdb://${directory}/full`);
      expect(await line('failed')).toMatch(
        /^failed ERR_WEBSUB_STORE The record event e\d+ could not be written in .*: .*too large/,
      );
      expect(await line('kept')).toBe('kept true, refused false, deleted undefined');
      expect(await ended).toBe(0);
    },
  );
});

describe('a process that opens and closes a store', () => {
  const namespace = `websub-${randomBytes(6).toString('hex')}`;
  const uris: readonly (readonly [name: string, uri: string, isAvailable: boolean])[] = [
    ['memory', 'memory', true],
    ['LMDB', `lmdb://${directory}/left`, true],
    [redis.name, redis.uri, available.redis],
    [postgres.name, postgres.uri, available.postgres],
    [mysql.name, mysql.uri, available.mysql],
  ];

  test.each(uris.filter(([, , isAvailable]) => isAvailable))(
    'exits by itself (%s)',
    { timeout: 20_000 },
    async (_name, uri) => {
      const { line, ended } = runFixture('use-and-leave.ts', uri, namespace);
      await line('closed');
      expect(await ended).toBe(0);
    },
  );
});
