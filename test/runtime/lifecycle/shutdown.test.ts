import { Keyv } from 'keyv';
import { describe, expect, test } from 'vitest';
import { SECRET, signatureOf, signedPost, subscribed, verification } from '../../kit/subscribed.js';
import { exchange } from '../../kit/wire.js';
import { startUserServer } from '../../kit/user-server.js';

/** A Keyv with writes that never end after `hang()`. */
function hangingKeyv(): { readonly keyv: Keyv; readonly hang: () => void } {
  const rows = new Map<string, unknown>();
  let isHanging = false;
  const write = <T>(work: () => T): Promise<T> => (isHanging ? new Promise(() => {}) : Promise.resolve(work()));
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
  return { keyv, hang: () => void (isHanging = true) };
}

describe('stop()', () => {
  test('ends soon after gracefulShutdownSeconds, even if the store hangs', async () => {
    const { keyv, hang } = hangingKeyv();
    const { runtime, post } = await subscribed({
      options: { store: keyv, gracefulShutdownSeconds: 0.2 },
    });
    await post('news');
    hang();
    const startedAt = performance.now();
    await runtime.stop();
    expect(performance.now() - startedAt).toBeLessThan(3_000);
  });

  test('answers every kind of hub request with 503 from onShutdown on, and calls no handler', async () => {
    const { server, port } = await startUserServer();
    const statuses: number[] = [];
    const calls: string[] = [];
    let onShutdown = (): Promise<void> => Promise.resolve();
    const { runtime, events, path, callback, topic } = await subscribed({
      port,
      options: { server, publicUrl: `http://127.0.0.1:${port}` },
      handlers: {
        onShutdown: () => onShutdown(),
        onHubError: () => void calls.push('hub-error'),
        onSubscriptionVerification: () => void calls.push('verification'),
      },
    });
    calls.length = 0;
    const sendByFetch = async (target: string, init: RequestInit): Promise<void> => {
      const answer = await runtime.fetch(new Request(target, init));
      expect(answer.headers.get('retry-after')).toBe('120');
      statuses.push(answer.status);
    };
    const contentRequest = {
      method: 'POST',
      body: 'news',
      headers: { 'X-Hub-Signature': signatureOf('news', 'sha256', SECRET) },
    };
    onShutdown = async () => {
      statuses.push((await exchange(port, signedPost(path, 'news'))).status);
      await sendByFetch(callback, contentRequest);
      await sendByFetch(`${callback}?${new URLSearchParams(verification(topic.url)).toString()}`, {});
      await sendByFetch(`${callback}?hub.mode=hub-error`, {});
    };
    await runtime.stop({ unsubscribe: false });
    expect(statuses).toEqual([503, 503, 503, 503]);
    await sendByFetch(callback, contentRequest);
    expect(statuses).toHaveLength(5);
    expect(events).toEqual([]);
    expect(calls).toEqual([]);
  });
});
