import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { onTestFinished } from 'vitest';
import { answers, mysql, postgres, redis } from '../../../contract/servers.js';
import { fixtureFile, type PortMover, type StoreKind } from './expected.js';

interface Row {
  readonly key: string;
  readonly value: string;
}

/** The dump of a store. */
interface Dump {
  readonly rows: readonly Row[];
}

interface PostgresDump extends Dump {
  readonly columns: readonly Column[];
  readonly indexes: readonly string[];
}

interface MysqlDump extends Dump {
  readonly createTable: string;
}

interface Column {
  readonly name: string;
  readonly type: string;
  readonly length: number | null;
  readonly nullable: boolean;
}

/** Copies the store of 0.1.0 to its own location until the test has finished. Resolves to its URI. */
export const load: Readonly<Record<StoreKind, (movePorts: PortMover) => Promise<string>>> = {
  async lmdb(movePorts) {
    const directory = await mkdtemp(join(tmpdir(), 'websub-old-'));
    onTestFinished(() => rm(directory, { recursive: true }));
    // In latin1 each byte is one character, so that the rest of the file stays unchanged.
    const data = movePorts(gunzipSync(fixtureFile('lmdb/data.mdb.gz')).toString('latin1'));
    await writeFile(join(directory, 'data.mdb'), data, 'latin1');
    return `lmdb://${directory}`;
  },

  async redis(movePorts) {
    const { rows }: Dump = dumpOf('redis');
    const { createClient } = await import('@keyv/redis');
    for (let database = 15; database > 0; database -= 1) {
      const uri = new URL(redis.uri);
      uri.pathname = `/${database}`;
      const client = createClient({ url: uri.href });
      await client.connect();
      // Another test run may use a database at the same time. An abandoned claim expires.
      const isClaimed =
        (await client.set('claimed', '', { NX: true, EX: 120 })) === 'OK' && (await client.dbSize()) === 1;
      if (!isClaimed) {
        client.destroy();
        continue;
      }
      onTestFinished(async () => {
        await client.flushDb();
        client.destroy();
      });
      for (const { key, value } of rows) await client.set(key, movePorts(value));
      return uri.href;
    }
    throw new Error('no database of Redis from 1 to 15 is empty');
  },

  async postgres(movePorts) {
    const { columns, indexes, rows }: PostgresDump = dumpOf('postgres');
    const { Client }: PostgresDriver = driverOf('@keyv/postgres', 'pg');
    const connected = async (uri: string): Promise<SqlClient> => {
      const client = new Client({ connectionString: uri });
      await client.connect();
      return client;
    };
    const { name, uri } = databaseOn(postgres.uri);
    const admin = await connected(postgres.uri);
    await admin.query(`CREATE DATABASE ${name}`);
    onTestFinished(async () => {
      await admin.query(`DROP DATABASE ${name} WITH (FORCE)`);
      await admin.end();
    });
    const client = await connected(uri);
    await client.query(`CREATE TABLE websub (${columns.map(definition).join(', ')})`);
    for (const index of indexes) await client.query(index);
    for (const { key, value } of rows)
      await client.query('INSERT INTO websub VALUES ($1, $2)', [key, movePorts(value)]);
    await client.end();
    return uri;
  },

  async mysql(movePorts) {
    const { createTable, rows }: MysqlDump = dumpOf('mysql');
    const driver: MysqlDriver = driverOf('@keyv/mysql', 'mysql2/promise');
    const { name, uri } = databaseOn(mysql.uri);
    const client = await driver.createConnection(mysql.uri);
    await client.query(`CREATE DATABASE ${name}`);
    onTestFinished(async () => {
      await client.query(`DROP DATABASE ${name}`);
      await client.end();
    });
    await client.query(`USE ${name}`);
    await client.query(createTable);
    for (const { key, value } of rows) await client.query('INSERT INTO websub VALUES (?, ?)', [key, movePorts(value)]);
    return uri;
  },
};

/** Each kind of store, and whether it can be tested. Prints a note if its server is missing. */
export async function storeKinds(): Promise<readonly (readonly [kind: StoreKind, isAvailable: boolean])[]> {
  return [
    ['lmdb', true],
    ['redis', await answers(redis)],
    ['postgres', await answers(postgres)],
    ['mysql', await answers(mysql)],
  ];
}

interface SqlClient {
  connect(): Promise<unknown>;
  query(sql: string, values?: readonly string[]): Promise<unknown>;
  end(): Promise<unknown>;
}

interface PostgresDriver {
  readonly Client: new (options: object) => SqlClient;
}

interface MysqlDriver {
  createConnection(uri: string): Promise<SqlClient>;
}

/** Loads the driver of an adapter, which this package may not be able to resolve. The caller knows its type. */
function driverOf(adapter: string, name: string): ReturnType<typeof JSON.parse> {
  return createRequire(createRequire(import.meta.url).resolve(adapter))(name);
}

/** Reads the dump of a store. The caller knows its type. */
function dumpOf(kind: StoreKind): ReturnType<typeof JSON.parse> {
  return JSON.parse(fixtureFile(`${kind}/rows.json`).toString());
}

function databaseOn(server: string): { readonly name: string; readonly uri: string } {
  const name = `websub_old_${randomBytes(6).toString('hex')}`;
  const uri = new URL(server);
  uri.pathname = `/${name}`;
  return { name, uri: uri.href };
}

function definition({ name, type, length, nullable }: Column): string {
  return `${name} ${type}${length === null ? '' : `(${length})`}${nullable ? '' : ' NOT NULL'}`;
}
