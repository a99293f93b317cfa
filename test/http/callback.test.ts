import { Keyv } from 'keyv';
import { describe, expect, onTestFinished, test } from 'vitest';
import { defineSubscriber, startService } from '../../src/index.js';
import { recordingLogger } from '../kit/recording-logger.js';
import { fieldsOf, signedPost, subscribed, verification } from '../kit/subscribed.js';
import { exchange, request } from '../kit/wire.js';

/** A Keyv over memory whose writes fail on demand. */
function failingKeyv(): { readonly keyv: Keyv; readonly fail: (fails: boolean) => void } {
  let isFailing = false;
  class FailingMap extends Map<string, unknown> {
    override set(key: string, value: unknown): this {
      if (isFailing) throw new Error('the disk is full');
      return super.set(key, value);
    }
  }
  return { keyv: new Keyv({ store: new FailingMap() }), fail: (fails) => void (isFailing = fails) };
}

describe('a subscription whose service is not running', () => {
  test('refuses content temporarily, because the service may return, and confirms nothing', async () => {
    const store = new Keyv();
    const before = await subscribed({ options: { store }, config: { unsubscribeOnShutdown: false } });
    await before.runtime.stop();
    const other = defineSubscriber({ name: 'Other' }, { onEventNotification: () => {} });
    const logger = recordingLogger();
    const runtime = await startService(other, { port: 0, store, logger, handleSignals: false });
    onTestFinished(() => runtime.stopNow());
    const port = runtime.port ?? 0;

    const refused = await exchange(port, signedPost(before.path, 'news'));
    expect(refused).toMatchObject({ status: 503, headers: { 'retry-after': '120' } });
    expect(fieldsOf(refused)).toEqual({ reason: 'the service of this subscription is not running' });
    const query = new URLSearchParams(verification(before.topic.url)).toString();
    expect((await exchange(port, request('GET', `${before.path}?${query}`))).status).toBe(404);
    expect((await exchange(port, request('DELETE', before.path))).status).toBe(405);
    // Content for a service that is not running does not count as refused.
    expect((await runtime.subscriptions.find())[0]?.stats.refused).toBe(0);
  });
});

describe('a store that fails', () => {
  test('leads to the answer 503 to a verification, and the next one is confirmed', async () => {
    const { keyv, fail } = failingKeyv();
    const { ask, topic, logger, snapshot } = await subscribed({ options: { store: keyv } });
    const before = await snapshot();
    fail(true);
    const answer = await ask(verification(topic.url));
    expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '120', 'cache-control': 'no-store' } });
    expect(answer.body).not.toContain('disk');
    expect(logger.said('error')).toContain('a callback request could not be answered: 503');
    expect(await snapshot()).toEqual(before);
    fail(false);
    expect((await ask(verification(topic.url))).status).toBe(200);
  });

  test('C7 leads to the answer 503 to content that must be stored, and to 202 for other content', async () => {
    const { keyv, fail } = failingKeyv();
    const { post } = await subscribed({
      options: { store: keyv },
      handlers: {
        onEventNotification: (event) => {
          if (event.text() === 'bad') throw new Error('broken');
        },
      },
    });
    fail(true);
    expect(await post('bad')).toMatchObject({ status: 503, headers: { 'retry-after': '30' } });
    expect((await post('good')).status).toBe(202);
    fail(false);
    expect((await post('bad')).status).toBe(202);
  });

  test('does not affect the rejection of unsigned content, which is still recorded', async () => {
    const { keyv, fail } = failingKeyv();
    const { post, logger, snapshot } = await subscribed({ options: { store: keyv } });
    fail(true);
    expect((await post('news', { 'X-Hub-Signature': 'sha1=00' })).status).toBe(403);
    await expect.poll(async () => (await snapshot()).lastError?.cause).toBe('unsigned');
    expect(logger.said('error')).toEqual([]);
    fail(false);
  });
});
