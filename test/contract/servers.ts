import { createRequire } from 'node:module';
import { connect } from 'node:net';

/** A database server for tests. The environment can set its URI; the default is the server's usual address. */
export interface TestServer {
  readonly name: string;
  readonly uri: string;
}

export const redis: TestServer = { name: 'Redis', uri: process.env['WEBSUB_TEST_REDIS'] ?? 'redis://127.0.0.1:6379' };

export const postgres: TestServer = {
  name: 'PostgreSQL',
  uri: process.env['WEBSUB_TEST_POSTGRES'] ?? 'postgres://postgres@127.0.0.1:5432/test',
};

export const mysql: TestServer = {
  name: 'MariaDB',
  uri: process.env['WEBSUB_TEST_MYSQL'] ?? 'mysql://root@127.0.0.1:3306/test',
};

/** Whether the server is available for tests. With CI=true it must be: the tests then run and fail without it. */
export async function answers(server: TestServer): Promise<boolean> {
  if (process.env['CI'] === 'true' || (await accepts(server))) return true;
  console.warn(`SKIPPED: ${server.name} does not answer at ${new URL(server.uri).host}.`);
  return false;
}

const defaultPorts: Readonly<Record<string, number>> = { 'redis:': 6379, 'postgres:': 5432, 'mysql:': 3306 };

function accepts({ uri }: TestServer): Promise<boolean> {
  const url = new URL(uri);
  return new Promise((resolve) => {
    const socket = connect({
      host: url.hostname,
      port: Number(url.port) || defaultPorts[url.protocol] || 0,
      timeout: 1_000,
    });
    const settle = (isReachable: boolean): void => {
      socket.destroy();
      resolve(isReachable);
    };
    socket.once('connect', () => {
      settle(true);
    });
    socket.once('error', () => {
      settle(false);
    });
    socket.once('timeout', () => {
      settle(false);
    });
  });
}

/** Whether a package is installed. */
export function isInstalled(name: string): boolean {
  try {
    createRequire(import.meta.url).resolve(name);
    return true;
  } catch {
    return false;
  }
}
