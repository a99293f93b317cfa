import diagnostics from 'node:diagnostics_channel';
import { Keyv } from 'keyv';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { defineSubscriber, startService, StoreError } from '../../../src/index.js';
import { recordingLogger } from '../../kit/recording-logger.js';
import { exchange, request } from '../../kit/wire.js';
import { startUserServer } from '../../kit/user-server.js';

describe('a start during which another process takes over the store', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** A store, and a function that changes its owner and runs the next heartbeat. */
  function storeWithTakeOver(): { readonly store: Keyv; readonly takeOver: () => Promise<void> } {
    const rows = new Map<string, string>();
    const takeOver = async (): Promise<void> => {
      for (const [key, row] of rows) {
        if (key.includes('owner')) rows.set(key, row.replace(/(\\"id\\":\\")[^\\]*/, '$1another'));
      }
      await vi.advanceTimersByTimeAsync(10_000);
    };
    return { store: new Keyv({ store: rows }), takeOver };
  }

  test.each(['before the services start', 'in onStart'])(
    '%s rejects with a StoreError, which is logged once',
    async (when) => {
      const { store, takeOver } = storeWithTakeOver();
      const logger = recordingLogger();
      const started: string[] = [];
      const isEarly = when !== 'in onStart';
      const service = defineSubscriber(
        { name: 'News', target: 'http://127.0.0.1:9/never-asked' },
        {
          onEventNotification: () => {},
          async onStart() {
            started.push('onStart');
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
      expect(started).toEqual(isEarly ? [] : ['onStart']);
      expect(logger.events('fatal')).toEqual(['store.taken-over']);
      expect(logger.events('info')).not.toContain('subscription.requested');
    },
  );
});

test('a failed start answers the waiting hub requests with 503', async () => {
  const { server, port } = await startUserServer();
  let waitingAnswer: ReturnType<typeof exchange> | undefined;
  const service = defineSubscriber(
    { name: 'News' },
    {
      onEventNotification: () => {},
      async onStart() {
        const requestStarted = new Promise((resolve) => diagnostics.subscribe('http.server.request.start', resolve));
        waitingAnswer = exchange(port, request('POST', '/websub/something', {}, 'news'));
        await requestStarted;
        throw new Error('no database');
      },
    },
  );
  await expect(startService(service, { server, store: 'memory', logger: false })).rejects.toThrow('no database');
  expect(await waitingAnswer).toMatchObject({ status: 503, headers: { 'retry-after': '120' } });
  expect((await exchange(port, request('GET', '/websub/something'))).body).toBe('theirs');
});

test('ready() in onStart rejects at once, because it would wait for itself', async () => {
  const service = defineSubscriber(
    { name: 'News' },
    { onEventNotification: () => {}, onStart: (runtime) => runtime.ready() },
  );
  const starting = startService(service, { port: 0, store: 'memory', logger: false, handleSignals: false });
  await expect(starting).rejects.toMatchObject({
    code: 'ERR_WEBSUB',
    message: expect.stringContaining('ready() was called in onStart'),
  });
});
