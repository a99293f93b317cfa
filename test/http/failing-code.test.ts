import { once } from 'node:events';
import { createServer } from 'node:http';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { CollectedBytes } from '../../src/http/body/collected-bytes.js';
import { embeddedEngine, type EmbeddedEngineOptions } from '../../src/engine/embedded-engine.js';
import type { Engine } from '../../src/engine/engine.js';
import { ProcessedLog } from '../../src/delivery/dedupe/processed-log.js';
import { SignatureCheck } from '../../src/protocol/signature.js';
import { Registry } from '../../src/subscription/registry/registry.js';
import { subscribed } from '../kit/subscribed.js';
import { exchange, request } from '../kit/wire.js';

afterEach(() => {
  vi.restoreAllMocks();
});

const broken = (): never => {
  throw new Error('broken');
};

test('a request that fails in our own code is answered 503, whatever it is for, and the log is bounded', async () => {
  const { runtime, port, path, ask, post, logger } = await subscribed();
  const match = vi.spyOn(Registry.prototype, 'match').mockImplementation(broken);
  expect(await ask({})).toMatchObject({ status: 503, headers: { 'retry-after': '120' } });
  expect(await post('news')).toMatchObject({ status: 503 });
  expect(await exchange(port, request('GET', '/nobody'))).toMatchObject({ status: 503 });
  const fetched = await runtime.fetch(new Request(`http://localhost${path}`, { method: 'POST', body: 'news' }));
  expect([fetched.status, fetched.headers.get('retry-after')]).toEqual([503, '120']);
  for (let count = 0; count < 20; count += 1) await exchange(port, request('GET', '/nobody'));
  expect(logger.said('error').filter((line) => line.includes('503')).length).toBeLessThan(8);
  match.mockRestore();
  expect(await post('news')).toMatchObject({ status: 202 });
  expect(await exchange(port, request('GET', '/nobody'))).toMatchObject({ status: 404 });
});

test('on a server of others too, whose own listeners are not called for it', async () => {
  const server = createServer((_request, response) => void response.end('theirs'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { path } = await subscribed({ options: { server } });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  expect(await exchange(port, request('GET', '/page'))).toMatchObject({ body: 'theirs' });
  vi.spyOn(Registry.prototype, 'match').mockImplementation(broken);
  expect(await exchange(port, request('POST', path, {}, 'news'))).toMatchObject({ status: 503 });
});

test('C7 a body that our own code cannot take is answered 503, and its content is made up for', async () => {
  const { post, events, snapshot } = await subscribed();
  vi.spyOn(SignatureCheck.prototype, 'update').mockImplementation(broken);
  expect(await post('one')).toMatchObject({ status: 503, headers: { 'retry-after': '30' } });
  vi.restoreAllMocks();
  vi.spyOn(CollectedBytes.prototype, 'bytes').mockImplementation(broken);
  expect(await post('two')).toMatchObject({ status: 503 });
  vi.restoreAllMocks();
  expect(await post('three')).toMatchObject({ status: 202 });
  expect(events.map((event) => event.text())).toEqual(['three']);
  expect((await snapshot()).stats.refused).toBe(1);
});

test('an error in our own code after the answer is logged, and the process goes on', async () => {
  let finish = (): void => {};
  const slow = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const { post, logger } = await subscribed({
    config: { delivery: { ackAfterMs: 1, dedupe: 'body' } },
    handlers: { onEventNotification: () => slow },
  });
  expect(await post('slow')).toMatchObject({ status: 202 });
  vi.spyOn(ProcessedLog.prototype, 'markProcessed').mockImplementation(broken);
  finish();
  await vi.waitFor(() => expect(logger.said('error')).toContain('the end of a handler could not be noted'));
});

test('a timer that fails is logged, and the log is bounded', async () => {
  let fail = (_error: unknown): void => {};
  const engine = (options: EmbeddedEngineOptions): Engine => {
    fail = options.onError ?? fail;
    return embeddedEngine(options);
  };
  const { logger } = await subscribed({ seams: { engine } });
  for (let count = 0; count < 50; count += 1) fail(new Error('broken'));
  const lines = logger.said('error').filter((line) => line.startsWith('a timer failed'));
  expect(lines.length).toBeGreaterThan(0);
  expect(lines.length).toBeLessThan(8);
});
