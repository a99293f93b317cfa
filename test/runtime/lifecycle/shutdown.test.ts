import { createServer } from 'node:http';
import { once } from 'node:events';
import { Keyv } from 'keyv';
import { describe, expect, onTestFinished, test } from 'vitest';
import { SECRET, signatureOf, signedPost, subscribed, verification } from '../../kit/subscribed.js';
import { exchange } from '../../kit/wire.js';

/** A Keyv whose writes end never when it is told so. */
function hangingKeyv(): { readonly keyv: Keyv; readonly hang: () => void } {
  const rows = new Map<string, unknown>();
  let hangs = false;
  const write = <T>(work: () => T): Promise<T> => (hangs ? new Promise(() => {}) : Promise.resolve(work()));
  const keyv = new Keyv({
    store: {
      opts: { dialect: 'slow', url: 'slow://' },
      get: (key: string) => Promise.resolve(rows.get(key)),
      set: (key: string, value: unknown) => write(() => rows.set(key, value)),
      delete: (key: string) => write(() => rows.delete(key)),
      clear: () => write(() => rows.clear()),
      async *iterator() {
        yield* rows;
      },
    },
  });
  return { keyv, hang: () => void (hangs = true) };
}

describe('stop()', () => {
  test('ends within gracefulShutdownSeconds and the last steps, also when the store hangs', async () => {
    const { keyv, hang } = hangingKeyv();
    const { runtime, post } = await subscribed({
      options: { store: keyv, gracefulShutdownSeconds: 0.2 },
    });
    await post('news');
    hang();
    const before = performance.now();
    await runtime.stop();
    expect(performance.now() - before).toBeLessThan(3_000);
  });

  test('calls no handler from onShutdown on: hubs that come are told to come again, in every way there is', async () => {
    const server = createServer((_request, response) => void response.setHeader('Content-Length', 6).end('theirs'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => {
      server.close();
      server.closeAllConnections();
    });
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const statuses: number[] = [];
    const asked: string[] = [];
    let end = (): Promise<void> => Promise.resolve();
    const { runtime, events, path, callback, topic } = await subscribed({
      port,
      options: { server, publicUrl: `http://127.0.0.1:${port}` },
      handlers: {
        onShutdown: () => end(),
        onHubError: () => void asked.push('hub-error'),
        onSubscriptionVerification: () => void asked.push('verification'),
      },
    });
    asked.length = 0;
    const byFetch = async (target: string, init: RequestInit): Promise<void> => {
      const answer = await runtime.fetch(new Request(target, init));
      expect(answer.headers.get('retry-after')).toBe('120');
      statuses.push(answer.status);
    };
    const content = {
      method: 'POST',
      body: 'news',
      headers: { 'X-Hub-Signature': signatureOf('news', 'sha256', SECRET) },
    };
    end = async () => {
      statuses.push((await exchange(port, signedPost(path, 'news'))).status);
      await byFetch(callback, content);
      await byFetch(`${callback}?${new URLSearchParams(verification(topic.url)).toString()}`, {});
      await byFetch(`${callback}?hub.mode=hub-error`, {});
    };
    await runtime.stop({ unsubscribe: false });
    expect(statuses).toEqual([503, 503, 503, 503]);
    await byFetch(callback, content);
    expect(statuses).toHaveLength(5);
    expect(events).toEqual([]);
    expect(asked).toEqual([]);
  });
});
