import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type Server, type Socket, connect, createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { StoreError } from '../../../src/errors.js';
import { openStore } from '../../../src/store/open-store.js';
import { acquireOwnerLock } from '../../../src/store/owner/owner-lock.js';
import { FakeWorld } from '../../kit/fake-world.js';
import { recordingService } from '../../kit/recording-service.js';
import { answers, mysql, postgres, redis } from '../../contract/servers.js';
import { failureOf } from '../../kit/failure-of.js';
import { listenOn } from '../../kit/ports.js';
import { listenForTest } from '../../kit/listen-for-test.js';

/** Milliseconds allowed for an operation. */
const LIMIT_MS = 1_000;
/** Milliseconds allowed for closing: an adapter waits for its sent operations. */
const CLOSE_LIMIT_MS = 2_500;

for (const server of [redis, postgres, mysql]) {
  const isAvailable = await answers(server);

  describe.skipIf(!isAvailable)(`a store on ${server.name} that accepts connections and then stops answering`, () => {
    const sockets = new Set<Socket>();
    let proxy: Server;
    let uri: string;
    let isSilent: boolean;

    const track = (socket: Socket): Socket => {
      sockets.add(socket);
      return socket.on('error', () => undefined).once('close', () => sockets.delete(socket));
    };

    beforeEach(async () => {
      isSilent = false;
      const proxiedUrl = new URL(server.uri);
      const upstreamAddress = { host: proxiedUrl.hostname, port: Number(proxiedUrl.port) };
      proxy = createServer((client) => {
        const upstream = track(connect(upstreamAddress));
        track(client).on('data', (bytes) => isSilent || upstream.write(bytes));
        upstream.on('data', (bytes) => isSilent || client.write(bytes));
        client.on('close', () => upstream.destroy());
      });
      proxiedUrl.port = String(await listenOn(proxy));
      proxiedUrl.hostname = '127.0.0.1';
      uri = proxiedUrl.href;
    });

    afterEach(async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => proxy.close(resolve));
    });

    test('C9 fails each operation within the timeout, and can be closed', async () => {
      const namespace = `websub-${randomBytes(6).toString('hex')}`;
      const store = await openStore(uri, { namespace, timeoutMs: LIMIT_MS });
      await store.set('event', 'e', 1);
      isSilent = true;
      const list = async (): Promise<void> => {
        for await (const _ of store.list('event'));
      };
      const operations = [
        () => store.get('event', 'e'),
        () => store.set('event', 'e', 2),
        () => store.delete('event', 'e'),
        list,
        () => acquireOwnerLock(store, { now: Date.now, onLost: () => undefined }),
      ];
      for (const operation of operations) {
        const startedAt = performance.now();
        const error = await failureOf(operation());
        expect(error).toBeInstanceOf(StoreError);
        expect(error.message).toMatch(/no answer within 1000 ms/);
        expect(performance.now() - startedAt).toBeLessThan(LIMIT_MS + 1_000);
      }
      const startedAt = performance.now();
      await store.close();
      expect(performance.now() - startedAt).toBeLessThan(CLOSE_LIMIT_MS);
      await vi.waitFor(() => {
        expect(sockets.size).toBe(0);
      });
    });
  });
}

test.each(['redis', 'postgres', 'mysql'])(
  'C9 a start with a store (%s) that accepts connections and never answers rejects after `storeTimeoutMs`',
  async (scheme) => {
    const silentServer = createServer((socket) => void socket.on('error', () => undefined).resume());
    const port = await listenForTest(silentServer);
    const connection = once(silentServer, 'connection').then(() => performance.now());
    const startedAt = performance.now();
    const starting = new FakeWorld().start(recordingService().service, {
      store: `${scheme}://me:hush@127.0.0.1:${port}/1`,
      security: { storeTimeoutMs: 300 },
    });
    const error = await failureOf(starting);
    expect(error).toBeInstanceOf(StoreError);
    expect(error.message).toMatch(/^The store \w+:\/\/me:\*\*\*@127.0.0.1:\d+\/1 could not be opened: /);
    const rejectedAt = performance.now();
    // Timers may end a little early.
    expect(rejectedAt - startedAt).toBeGreaterThan(290);
    // Opening and closing take up to 300 ms each. The adapter is loaded before the connection.
    expect(rejectedAt - (await connection)).toBeLessThan(2 * 300 + 1_500);
  },
);
