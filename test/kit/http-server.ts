import { createServer, type RequestListener, type Server } from 'node:http';
import { listenOn } from './ports.js';

/** A server on 127.0.0.1 that does not belong to the library: a publisher, a proxy, another application. */
export interface HttpServer extends AsyncDisposable {
  readonly url: string;
  readonly server: Server;
}

export async function startHttpServer(listener: RequestListener): Promise<HttpServer> {
  const server = createServer(listener);
  const port = await listenOn(server);
  return {
    server,
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
