import { serveBench } from '../bench-server.js';
import { importPeer } from '../peers/import-peer.js';
import { CALLBACK_PATH } from './callback-path.js';
import { isSigned } from './signature.js';

interface Fastify {
  readonly fastify: (options: { readonly keepAliveTimeout: number }) => {
    removeAllContentTypeParsers(): void;
    addContentTypeParser(
      type: string,
      options: { readonly parseAs: 'buffer' },
      parse: (request: unknown, body: Buffer, done: (error: null, body: Buffer) => void) => void,
    ): void;
    post(path: string, handle: (request: FastifyRequest, reply: FastifyReply) => void): void;
    listen(options: { readonly port: number }): Promise<string>;
    close(): Promise<void>;
  };
}

interface FastifyRequest {
  readonly body: unknown;
  readonly headers: Readonly<Record<string, unknown>>;
}

interface FastifyReply {
  code(status: number): FastifyReply;
  header(name: string, value: string): FastifyReply;
  send(): void;
}

serveBench(async ({ secret }) => {
  const { fastify } = await importPeer<Fastify>('fastify', (module) => typeof module['fastify'] === 'function');
  let accepted = 0;
  // Node.js's default, because every response states it.
  const app = fastify({ keepAliveTimeout: 5_000 });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.post(CALLBACK_PATH, ({ body, headers }, reply) => {
    const isGenuine = isSigned(body, secret, headers['x-hub-signature']);
    if (isGenuine) accepted += 1;
    reply
      .code(isGenuine ? 202 : 403)
      .header('cache-control', 'no-store')
      .send();
  });
  const address = new URL(await app.listen({ port: 0 }));
  return {
    callback: `http://localhost:${address.port}${CALLBACK_PATH}`,
    accepted: () => accepted,
    stop: () => app.close(),
  };
});
