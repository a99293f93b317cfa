import { Socket } from 'node:net';
import { setImmediate as macrotask } from 'node:timers/promises';
import { onDemand } from '../on-demand.js';

/**
 * Has undici load its HTTP parser, a file that it reads at its first connection. This one has a socket that is connected to
 * nothing: no descriptor is opened and nothing is sent.
 *
 * @throws Error that undici could not read the file
 */
export async function loadHttpParser(): Promise<void> {
  const { Client, errors } = onDemand('undici');
  const client = new Client('http://localhost', { connect: (_options, callback) => callback(null, new Socket()) });
  const requested = client.request({ path: '/', method: 'GET' }).catch((error: unknown) => error);
  await macrotask();
  await client.destroy();
  const error = await requested;
  if (!(error instanceof errors.ClientDestroyedError)) throw error;
}
