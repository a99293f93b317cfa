import { randomBytes } from 'node:crypto';
import { type Server, type Socket, connect, createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { StoreError } from '../../../src/errors.js';
import { openStore } from '../../../src/store/open-store.js';
import { answers, mysql, postgres, redis } from '../../contract/servers.js';
import { listenOn } from '../../kit/ports.js';
import { recordingLogger } from '../../kit/recording-logger.js';

for (const server of [redis, postgres, mysql]) {
  const isAvailable = await answers(server);

  describe.skipIf(!isAvailable)(`a store on ${server.name} whose connections break`, () => {
    const sockets = new Set<Socket>();
    let proxy: Server;
    let uri: string;
    let isUp: boolean;

    const track = (socket: Socket): Socket => {
      sockets.add(socket);
      return socket.on('error', () => undefined).once('close', () => sockets.delete(socket));
    };
    const breakAll = (): void => {
      for (const socket of sockets) socket.destroy();
    };

    beforeEach(async () => {
      isUp = true;
      const proxiedUrl = new URL(server.uri);
      const upstreamAddress = { host: proxiedUrl.hostname, port: Number(proxiedUrl.port) };
      proxy = createServer((client) => {
        track(client);
        if (!isUp) {
          client.destroy();
          return;
        }
        const upstream = track(connect(upstreamAddress));
        client.pipe(upstream).pipe(client);
      });
      proxiedUrl.port = String(await listenOn(proxy));
      proxiedUrl.hostname = '127.0.0.1';
      uri = proxiedUrl.href;
    });

    afterEach(async () => {
      breakAll();
      await new Promise((resolve) => proxy.close(resolve));
    });

    test('fails while they are down, and works when they are up again', async () => {
      const logger = recordingLogger();
      const store = await openStore(uri, { namespace: `websub-${randomBytes(6).toString('hex')}`, logger });
      await store.set('event', 'e', 1);

      isUp = false;
      breakAll();
      await vi.waitFor(() => {
        expect(sockets.size).toBe(0);
      });
      await expect(store.get('event', 'e')).rejects.toThrow(StoreError);
      await expect(store.set('event', 'e', 2)).rejects.toThrow(/^The record event e could not be written in /);

      isUp = true;
      await vi.waitFor(() => store.set('event', 'e', 3), { timeout: 5_000 });
      expect(await store.get('event', 'e')).toBe(3);
      // MySQL's adapter reports nothing by itself: only operations fail.
      expect(logger.events('warn').includes('store.error')).toBe(server !== mysql);
      await store.delete('event', 'e');
      await store.close();
    });

    test('and stay down can still be closed', async () => {
      const store = await openStore(uri, { namespace: `websub-${randomBytes(6).toString('hex')}` });
      isUp = false;
      breakAll();
      await vi.waitFor(() => {
        expect(sockets.size).toBe(0);
      });
      await store.close();
    });
  });
}
