import { randomBytes } from 'node:crypto';
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { StoreError } from '../../../src/errors.js';
import { openStore } from '../../../src/store/open-store.js';
import { acquireOwnerLock } from '../../../src/store/owner/owner-lock.js';
import { FakeWorld } from '../../kit/fake-world.js';
import { reader } from '../../kit/world.js';
import { answers, mysql, postgres, redis } from '../../contract/servers.js';
import { failureOf } from '../../kit/failure-of.js';

/** What an operation may take here. */
const LIMIT_MS = 1_000;
/** What closing may take besides: an adapter waits for what it has sent. */
const CLOSE_MS = 2_500;

for (const server of [redis, postgres, mysql]) {
  const available = await answers(server);

  describe.skipIf(!available)(`a store on ${server.name} that accepts, and does not answer any more`, () => {
    const sockets = new Set<Socket>();
    let proxy: Server;
    let uri: string;
    let isSilent: boolean;

    const keep = (socket: Socket): Socket => {
      sockets.add(socket);
      return socket.on('error', () => undefined).once('close', () => sockets.delete(socket));
    };

    beforeEach(async () => {
      isSilent = false;
      const target = new URL(server.uri);
      const upstreamAddress = { host: target.hostname, port: Number(target.port) };
      proxy = createServer((client) => {
        const upstream = keep(connect(upstreamAddress));
        keep(client).on('data', (bytes) => isSilent || upstream.write(bytes));
        upstream.on('data', (bytes) => isSilent || client.write(bytes));
        client.on('close', () => upstream.destroy());
      });
      await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a TCP server's address is one.
      target.port = String((proxy.address() as AddressInfo).port);
      target.hostname = '127.0.0.1';
      uri = target.href;
    });

    afterEach(async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => proxy.close(resolve));
    });

    test('C9 fails each operation within the time given, and is closed', async () => {
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
        const begun = performance.now();
        const error = await failureOf(operation());
        expect(error).toBeInstanceOf(StoreError);
        expect(error.message).toMatch(/no answer within 1000 ms/);
        expect(performance.now() - begun).toBeLessThan(LIMIT_MS + 1_000);
      }
      const begun = performance.now();
      await store.close();
      expect(performance.now() - begun).toBeLessThan(CLOSE_MS);
      await vi.waitFor(() => {
        expect(sockets.size).toBe(0);
      });
    });
  });
}

test.each(['redis', 'postgres', 'mysql'])(
  'C9 a start with a store (%s) that accepts and says nothing rejects within `storeTimeoutMs`',
  async (scheme) => {
    const silent = createServer((socket) => void socket.on('error', () => undefined).resume());
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void silent.close());
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a TCP server's address is one.
    const { port } = silent.address() as AddressInfo;
    const begun = performance.now();
    const starting = new FakeWorld().start(reader().service, {
      store: `${scheme}://me:hush@127.0.0.1:${port}/1`,
      security: { storeTimeoutMs: 300 },
    });
    const error = await failureOf(starting);
    expect(error).toBeInstanceOf(StoreError);
    expect(error.message).toMatch(/^The store \w+:\/\/me:\*\*\*@127.0.0.1:\d+\/1 could not be opened: /);
    expect(performance.now() - begun).toBeLessThan(5_000);
  },
);
