import type { Server as HttpServer } from 'node:http';
import type { Server } from 'node:net';
import { onTestFinished } from 'vitest';
import { listenOn } from './ports.js';

/** Listens on a free port of 127.0.0.1 and closes the server after the test, for HTTP with all connections. */
export async function listenForTest(server: Server | HttpServer): Promise<number> {
  const port = await listenOn(server);
  onTestFinished(() => {
    server.close();
    if ('closeAllConnections' in server) server.closeAllConnections();
  });
  return port;
}
