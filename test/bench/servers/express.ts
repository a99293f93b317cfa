import { createServer, type RequestListener } from 'node:http';
import { serveBench } from '../bench-server.js';
import { importPeer } from '../peers/import-peer.js';
import { CALLBACK_PATH } from './callback-path.js';
import { startListening } from './listening.js';
import { isSigned } from './signature.js';

interface Express {
  readonly default: {
    (): App;
    raw(options: { readonly type: () => boolean }): unknown;
  };
}

interface App extends RequestListener {
  disable(setting: string): void;
  post(path: string, parse: unknown, handle: (request: ExpressRequest, response: ExpressResponse) => void): void;
}

interface ExpressRequest {
  readonly body: unknown;
  get(header: string): string | undefined;
}

interface ExpressResponse {
  status(status: number): ExpressResponse;
  set(header: string, value: string): ExpressResponse;
  end(): void;
}

serveBench(async ({ secret }) => {
  const { default: express } = await importPeer<Express>(
    'express',
    (module) => typeof module['default'] === 'function',
  );
  let accepted = 0;
  const app = express();
  app.disable('x-powered-by');
  app.post(CALLBACK_PATH, express.raw({ type: () => true }), (request, response) => {
    const isGenuine = isSigned(request.body, secret, request.get('x-hub-signature'));
    if (isGenuine) accepted += 1;
    response
      .status(isGenuine ? 202 : 403)
      .set('cache-control', 'no-store')
      .end();
  });
  return startListening(createServer(app), CALLBACK_PATH, () => accepted);
});
