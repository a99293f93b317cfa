import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import { serveBench } from '../bench-server.js';
import { importPeer } from '../peers/import-peer.js';
import { CALLBACK_PATH } from './callback-path.js';
import { startListening } from './listening.js';
import { isSigned } from './signature.js';

interface H3 {
  createApp(): App;
  createRouter(): { post(path: string, handler: unknown): unknown };
  defineEventHandler(handler: (event: H3Event) => Promise<null>): unknown;
  readRawBody(event: H3Event, encoding: false): Promise<Buffer | undefined>;
  setResponseHeader(event: H3Event, name: string, value: string | number): void;
  setResponseStatus(event: H3Event, status: number): void;
  toNodeListener(app: App): RequestListener;
}

interface App {
  use(handler: unknown): App;
}

interface H3Event {
  readonly node: { readonly req: IncomingMessage };
}

serveBench(async ({ secret }) => {
  const h3 = await importPeer<H3>('h3', (module) => typeof module['toNodeListener'] === 'function');
  let accepted = 0;
  const receive = h3.defineEventHandler(async (event) => {
    const isGenuine = isSigned(await h3.readRawBody(event, false), secret, event.node.req.headers['x-hub-signature']);
    if (isGenuine) accepted += 1;
    h3.setResponseStatus(event, isGenuine ? 202 : 403);
    h3.setResponseHeader(event, 'cache-control', 'no-store');
    // A null body needs no content type, but it also gets no length.
    h3.setResponseHeader(event, 'content-length', 0);
    return null;
  });
  const router = h3.createRouter();
  router.post(CALLBACK_PATH, receive);
  return startListening(createServer(h3.toNodeListener(h3.createApp().use(router))), CALLBACK_PATH, () => accepted);
});
