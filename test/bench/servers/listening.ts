import type { Server } from 'node:http';
import type { BenchServer } from '../bench-server.js';

/** Listens on a free port, for one callback. */
export async function startListening(server: Server, path: string, accepted: () => number): Promise<BenchServer> {
  await new Promise<void>((resolve) => void server.listen(0, resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The server listens on no port');
  return {
    callback: `http://localhost:${address.port}${path}`,
    accepted,
    stop: () => new Promise((resolve) => void server.close(() => resolve())),
  };
}
