import { createRequire } from 'node:module';
import { Socket } from 'node:net';
import { dirname } from 'node:path';
import { setImmediate as macrotask } from 'node:timers/promises';
import { undiciModules } from './undici-modules.js';

/**
 * Makes undici load its HTTP parser in advance. Otherwise undici reads the parser's file at its first connection.
 *
 * Without an earlier connection, this makes one with an unconnected socket. It opens no descriptor and sends nothing.
 *
 * @throws Error if undici cannot read the file
 */
export async function loadHttpParser(): Promise<void> {
  const { Client, errors, request } = undiciModules();
  if (isLoaded()) return;
  const client = new Client('http://localhost', { connect: (_options, callback) => callback(null, new Socket()) });
  const requested = request(client, { path: '/', method: 'GET' }).catch((error: unknown) => error);
  await macrotask();
  await client.destroy();
  const error = await requested;
  if (!(error instanceof errors.ClientDestroyedError)) throw error;
}

/** Whether an earlier request has loaded the parser. */
function isLoaded(): boolean {
  const require = createRequire(import.meta.url);
  const undici = dirname(require.resolve('undici'));
  return Object.keys(require.cache).some((path) => path.startsWith(undici) && /llhttp\w*-wasm\.js$/.test(path));
}
