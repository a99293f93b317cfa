import { createServer } from 'node:http';
import { once } from 'node:events';
import { Keyv } from 'keyv';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { defineSubscriber, startService, StoreError } from '../../../src/index.js';
import { recordingLogger } from '../../kit/recording-logger.js';
import { exchange, request } from '../../kit/wire.js';

describe('a start in which another process takes the store over', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** A store, and what makes it somebody else's and lets the next heartbeat find it out. */
  function takenOver(): { readonly store: Keyv; readonly takeOver: () => Promise<void> } {
    const rows = new Map<string, string>();
    const takeOver = async (): Promise<void> => {
      for (const [key, row] of rows) {
        if (key.includes('owner')) rows.set(key, row.replace(/(\\"id\\":\\")[^\\]*/, '$1another'));
      }
      await vi.advanceTimersByTimeAsync(10_000);
    };
    return { store: new Keyv({ store: rows }), takeOver };
  }

  test.each(['before the services begin', 'in onStart'])('%s rejects with that, once', async (when) => {
    const { store, takeOver } = takenOver();
    const logger = recordingLogger();
    const begun: string[] = [];
    const isEarly = when !== 'in onStart';
    const service = defineSubscriber(
      { name: 'News', target: 'http://127.0.0.1:9/never-asked' },
      {
        onEventNotification: () => {},
        async onStart() {
          begun.push('onStart');
          if (!isEarly) await takeOver();
        },
      },
    );
    const tunnel = async (url: string): Promise<{ url: string; close(): void }> => {
      if (isEarly) await takeOver();
      return { url, close: () => {} };
    };
    const starting = startService(service, { port: 0, store, logger, handleSignals: false, tunnel });
    await expect(starting).rejects.toThrow(/was taken over by/);
    await expect(starting).rejects.toBeInstanceOf(StoreError);
    expect(begun).toEqual(isEarly ? [] : ['onStart']);
    expect(logger.said('fatal')).toHaveLength(1);
    expect(logger.said('info')).not.toContain('asking the hub to subscribe');
  });
});

test('a start that fails leaves no hub without an answer', async () => {
  const server = createServer((_request, response) => void response.setHeader('Content-Length', 6).end('theirs'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  let held: ReturnType<typeof exchange> | undefined;
  const service = defineSubscriber(
    { name: 'News' },
    {
      onEventNotification: () => {},
      async onStart() {
        const coming = once(server, 'connection');
        held = exchange(port, request('POST', '/websub/something', {}, 'news'));
        await coming;
        await new Promise((resolve) => setTimeout(resolve, 20));
        throw new Error('no database');
      },
    },
  );
  await expect(startService(service, { server, store: 'memory', logger: false })).rejects.toThrow('no database');
  expect(await held).toMatchObject({ status: 503, headers: { 'retry-after': '120' } });
  expect((await exchange(port, request('GET', '/websub/something'))).body).toBe('theirs');
});

test('ready() in onStart says at once that it would wait for itself', async () => {
  const service = defineSubscriber(
    { name: 'News' },
    { onEventNotification: () => {}, onStart: (runtime) => runtime.ready() },
  );
  const starting = startService(service, { port: 0, store: 'memory', logger: false, handleSignals: false });
  await expect(starting).rejects.toThrow('ready() waits for what begins after onStart');
});
