import { Keyv } from 'keyv';
import { describe, expect, onTestFinished, test } from 'vitest';
import { REASON } from '../../src/http/answer-reasons.js';
import { defineSubscriber, startService } from '../../src/index.js';
import { recordingLogger } from '../kit/recording-logger.js';
import { fieldsOf, signedPost, subscribed, verification } from '../kit/subscribed.js';
import { exchange, request } from '../kit/wire.js';

/** A Keyv over memory whose writes fail on demand. */
function failingKeyv(): { readonly keyv: Keyv; readonly setFailing: (isFailing: boolean) => void } {
  let isFailing = false;
  class FailingMap extends Map<string, unknown> {
    override set(key: string, value: unknown): this {
      if (isFailing) throw new Error('the disk is full');
      return super.set(key, value);
    }
  }
  return { keyv: new Keyv({ store: new FailingMap() }), setFailing: (value) => void (isFailing = value) };
}

describe('a subscription whose service is not running', () => {
  test('refuses content with 503, because the service may return, and confirms no verification', async () => {
    const store = new Keyv();
    const previous = await subscribed({ options: { store }, config: { unsubscribeOnShutdown: false } });
    await previous.runtime.stop();
    const otherService = defineSubscriber({ name: 'Other' }, { onEventNotification: () => {} });
    const logger = recordingLogger();
    const runtime = await startService(otherService, { port: 0, store, logger, handleSignals: false });
    onTestFinished(() => runtime.stopNow());
    const port = runtime.port ?? 0;

    const answer = await exchange(port, signedPost(previous.path, 'news'));
    expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '120' } });
    expect(fieldsOf(answer)).toEqual({ reason: REASON.serviceNotRunning });
    const query = new URLSearchParams(verification(previous.topic.url)).toString();
    expect((await exchange(port, request('GET', `${previous.path}?${query}`))).status).toBe(404);
    expect((await exchange(port, request('DELETE', previous.path))).status).toBe(405);
    // Content for a service that is not running does not count as refused.
    expect((await runtime.subscriptions.find())[0]?.stats.refused).toBe(0);
  });
});

describe('a store that fails', () => {
  test('leads to a 503 for a verification, and a verification after the failure is confirmed', async () => {
    const { keyv, setFailing } = failingKeyv();
    const { sendGet, topic, logger, snapshot } = await subscribed({ options: { store: keyv } });
    const snapshotBefore = await snapshot();
    setFailing(true);
    const answer = await sendGet(verification(topic.url));
    expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '120', 'cache-control': 'no-store' } });
    expect(answer.body).not.toContain('disk');
    expect(logger.events('error')).toContain('callback.failed');
    expect(await snapshot()).toEqual(snapshotBefore);
    setFailing(false);
    expect((await sendGet(verification(topic.url))).status).toBe(200);
  });

  test('C7 leads to a 503 for content that must be stored, and to a 202 for other content', async () => {
    const { keyv, setFailing } = failingKeyv();
    const { post } = await subscribed({
      options: { store: keyv },
      handlers: {
        onEventNotification: (event) => {
          if (event.text() === 'bad') throw new Error('broken');
        },
      },
    });
    setFailing(true);
    expect(await post('bad')).toMatchObject({ status: 503, headers: { 'retry-after': '30' } });
    expect((await post('good')).status).toBe(202);
    setFailing(false);
    expect((await post('bad')).status).toBe(202);
  });

  test('does not affect the rejection of content with an invalid signature, which is still recorded', async () => {
    const { keyv, setFailing } = failingKeyv();
    const { post, logger, snapshot } = await subscribed({ options: { store: keyv } });
    setFailing(true);
    expect((await post('news', { 'X-Hub-Signature': 'sha1=00' })).status).toBe(403);
    await expect.poll(async () => (await snapshot()).lastError?.cause).toBe('unsigned');
    expect(logger.events('error')).toEqual([]);
    setFailing(false);
  });
});
