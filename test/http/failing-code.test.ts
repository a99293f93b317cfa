import { createServer } from 'node:http';
import { afterEach, expect, test, vi } from 'vitest';
import { CollectedBytes } from '../../src/http/body/collected-bytes.js';
import { embeddedEngine, type EmbeddedEngineOptions } from '../../src/engine/embedded-engine.js';
import type { Engine } from '../../src/engine/engine.js';
import { ProcessedLog } from '../../src/delivery/dedupe/processed-log.js';
import { SignatureCheck } from '../../src/protocol/signature.js';
import { Registry } from '../../src/subscription/registry/registry.js';
import { subscribed } from '../kit/subscribed.js';
import { exchange, request } from '../kit/wire.js';
import { listenForTest } from '../kit/listen-for-test.js';

afterEach(() => {
  vi.restoreAllMocks();
});

const throwBroken = (): never => {
  throw new Error('broken');
};

test('a request of any kind that fails in our own code is answered 503, and the log is bounded', async () => {
  const { runtime, port, path, sendGet, post, logger } = await subscribed();
  const matchSpy = vi.spyOn(Registry.prototype, 'match').mockImplementation(throwBroken);
  expect(await sendGet({})).toMatchObject({ status: 503, headers: { 'retry-after': '120' } });
  expect(await post('news')).toMatchObject({ status: 503 });
  expect(await exchange(port, request('GET', '/nobody'))).toMatchObject({ status: 503 });
  const fetched = await runtime.fetch(new Request(`http://localhost${path}`, { method: 'POST', body: 'news' }));
  expect([fetched.status, fetched.headers.get('retry-after')]).toEqual([503, '120']);
  for (let count = 0; count < 20; count += 1) await exchange(port, request('GET', '/nobody'));
  expect(logger.logged('callback.failed').length).toBeGreaterThan(0);
  expect(logger.events('error').length).toBeLessThan(8);
  matchSpy.mockRestore();
  expect(await post('news')).toMatchObject({ status: 202 });
  expect(await exchange(port, request('GET', '/nobody'))).toMatchObject({ status: 404 });
});

test("a failing request on the user's server is answered 503, and the user's listeners are not called", async () => {
  const server = createServer((_request, response) => void response.end('theirs'));
  const port = await listenForTest(server);
  const { path } = await subscribed({ options: { server } });
  expect(await exchange(port, request('GET', '/page'))).toMatchObject({ body: 'theirs' });
  vi.spyOn(Registry.prototype, 'match').mockImplementation(throwBroken);
  expect(await exchange(port, request('POST', path, {}, 'news'))).toMatchObject({ status: 503 });
});

test('C7 a body that fails in our own code is answered 503, and counts as refused once a minute', async () => {
  const { post, events, snapshot } = await subscribed();
  vi.spyOn(SignatureCheck.prototype, 'update').mockImplementation(throwBroken);
  expect(await post('one')).toMatchObject({ status: 503, headers: { 'retry-after': '30' } });
  vi.restoreAllMocks();
  vi.spyOn(CollectedBytes.prototype, 'add').mockImplementation(throwBroken);
  expect(await post('two')).toMatchObject({ status: 503 });
  vi.restoreAllMocks();
  expect(await post('three')).toMatchObject({ status: 202 });
  expect(events.map((event) => event.text())).toEqual(['three']);
  expect((await snapshot()).stats.refused).toBe(1);
});

test('C7 a body that cannot be joined when the handler reads it is answered 503', async () => {
  const texts: string[] = [];
  const { post } = await subscribed({
    handlers: { onEventNotification: (event) => void texts.push(event.text()) },
  });
  vi.spyOn(CollectedBytes.prototype, 'bytes').mockImplementation(throwBroken);
  expect(await post('one')).toMatchObject({ status: 503 });
  vi.restoreAllMocks();
  expect(await post('two')).toMatchObject({ status: 202 });
  expect(texts).toEqual(['two']);
});

test('an error in our own code after the answer is logged, and does not end the process', async () => {
  let finishHandler = (): void => {};
  const slowHandler = new Promise<void>((resolve) => {
    finishHandler = resolve;
  });
  const { post, logger } = await subscribed({
    config: { delivery: { ackAfterMs: 1, dedupe: 'body' } },
    handlers: { onEventNotification: () => slowHandler },
  });
  expect(await post('slow')).toMatchObject({ status: 202 });
  vi.spyOn(ProcessedLog.prototype, 'markProcessed').mockImplementation(throwBroken);
  finishHandler();
  await vi.waitFor(() => expect(logger.logged('event.settle-failed')).toMatchObject([{ level: 'error' }]));
});

test('a timer that fails is logged, and the log is bounded', async () => {
  let fail = (_error: unknown): void => {};
  const engine = (options: EmbeddedEngineOptions): Engine => {
    fail = options.onError ?? fail;
    return embeddedEngine(options);
  };
  const { logger } = await subscribed({ seams: { engine } });
  for (let count = 0; count < 50; count += 1) fail(new Error('broken'));
  const lines = logger.logged('timer.failed');
  expect(lines.length).toBeGreaterThan(0);
  expect(lines.length).toBeLessThan(8);
});
