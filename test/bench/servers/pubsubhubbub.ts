import type { EventEmitter } from 'node:events';
import type { Server } from 'node:http';
import { serveBench } from '../bench-server.js';
import { importPeer } from '../peers/import-peer.js';

interface Pubsubhubbub {
  readonly default: {
    createServer(options: {
      readonly callbackUrl: string;
      readonly secret: string;
    }): EventEmitter & { readonly server: Server; listen(port: number): void };
  };
}

serveBench(async ({ hub, topic, secret }) => {
  const { default: pubsubhubbub } = await importPeer<Pubsubhubbub>(
    'pubsubhubbub',
    (module) => typeof module['default'] === 'object',
  );
  let accepted = 0;
  // pubsubhubbub sends hubs a secret derived per topic, but verifies with the configured one. So deliveries are signed
  // with the configured one.
  const subscriber = pubsubhubbub.createServer({ callbackUrl: 'http://localhost/', secret });
  subscriber.on('feed', () => {
    accepted += 1;
  });
  await new Promise<void>((resolve) => {
    subscriber.once('listen', resolve);
    subscriber.listen(0);
  });
  const { server } = subscriber;
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('pubsubhubbub listens on no port');
  const query = new URLSearchParams({ topic, hub });
  return {
    callback: `http://localhost:${address.port}/?${query.toString()}`,
    accepted: () => accepted,
    stop: () => new Promise((resolve) => void server.close(() => resolve())),
  };
});
