import { createRequire } from 'node:module';
import { Socket } from 'node:net';
import { dirname } from 'node:path';
import { setImmediate as macrotask } from 'node:timers/promises';
import { undiciModules } from './undici-modules.js';

/**
 * Has undici load its HTTP parser, a file that it reads at its first connection. Where none was made yet, this makes one, with
 * a socket that is connected to nothing: no descriptor is opened and nothing is sent.
 *
 * @throws Error that undici could not read the file
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

/** Whether a request has led to it already. */
function isLoaded(): boolean {
  const require = createRequire(import.meta.url);
  const undici = dirname(require.resolve('undici'));
  return Object.keys(require.cache).some((path) => path.startsWith(undici) && /llhttp\w*-wasm\.js$/.test(path));
}
