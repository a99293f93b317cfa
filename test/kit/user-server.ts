import { createServer, type Server } from 'node:http';
import { listenForTest } from './listen-for-test.js';

/** Starts a server of the user's application, to attach a runtime to. It answers every request with `theirs`. */
export async function startUserServer(): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer((_request, response) => void response.setHeader('Content-Length', 6).end('theirs'));
  return { server, port: await listenForTest(server) };
}
