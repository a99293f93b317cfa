import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { Agent, request } from 'undici';
import { expect, onTestFinished, test } from 'vitest';
import { ListenerError } from '../../src/errors.js';
import { TestHub } from '../../src/testing/index.js';
import { confirmAll, plainSubscriber, subscribe } from '../kit/plain-subscriber.js';
import { startHub } from '../kit/start-hub.js';

test('a hub listens on loopback, on a free port', async () => {
  const hub = await startHub();
  expect(hub.url).toBe(`http://127.0.0.1:${hub.port}/hub`);
  expect(hub.port).toBeGreaterThan(0);
});

test('start rejects with a ListenerError when the port is in use', async () => {
  const hub = await startHub();
  await expect(TestHub.start({ port: hub.port })).rejects.toThrow(ListenerError);
  await expect(TestHub.start({ port: hub.port })).rejects.toThrow(`127.0.0.1:${hub.port}`);
});

test('a port is free again right after close', async () => {
  const first = await startHub();
  await fetch(first.url);
  await first.close();
  const second = await startHub({ port: first.port });
  expect(second.url).toBe(first.url);
});

test('close does not wait for keep-alive or stalled connections', async () => {
  const hub = await startHub();
  const dispatcher = new Agent({ keepAliveTimeout: 60_000 });
  onTestFinished(() => dispatcher.destroy());
  await (await request(hub.topic('/feed').url, { dispatcher })).body.dump();
  const stalledConnection = createConnection(hub.port, '127.0.0.1');
  stalledConnection.on('error', () => {});
  await once(stalledConnection, 'connect');
  stalledConnection.write('POST /hub HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhub.');
  const closeStartedAt = performance.now();
  await hub.close();
  expect(performance.now() - closeStartedAt).toBeLessThan(1_000);
});

test('close aborts pending verifications, responses and content', async () => {
  const hub = await startHub({ verify: 'sync' });
  const topic = hub.topic('/feed');
  const subscriber = await plainSubscriber();
  await subscribe(hub, topic, subscriber.callback);
  subscriber.answer = () => 'hang';
  const content = topic.publish('news');
  await hub.until(() => subscriber.requests.length === 2);
  hub.configure({ verify: 'async', delayMs: 3_600_000 });
  const answer = subscribe(hub, topic, subscriber.callback).catch((error: unknown) => error);
  await hub.until(({ requests }) => requests.length === 2);
  const latePublish = topic.publish('more');
  const closeStartedAt = performance.now();
  await Promise.all([hub.close(), hub.close()]);
  expect(performance.now() - closeStartedAt).toBeLessThan(1_000);
  expect(await answer).toBeInstanceOf(Error);
  expect((await content)[0]?.error).toBeInstanceOf(Error);
  expect((await latePublish)[0]?.error?.cause).toHaveProperty('name', 'AbortError');
  expect(await topic.publish('too late')).toEqual([]);
});

test('a hub is closed at the end of its scope', async () => {
  let url = '';
  {
    await using hub = await TestHub.start();
    ({ url } = hub);
    expect((await fetch(url)).status).toBe(405);
  }
  await expect(fetch(url)).rejects.toThrow('fetch failed');
});

test('an aborted request leaves no pending task', async () => {
  const hub = await startHub({ delayMs: { answer: 5 } });
  const abortedConnection = createConnection(hub.port, '127.0.0.1');
  await once(abortedConnection, 'connect');
  abortedConnection.write('POST /hub HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhub');
  abortedConnection.destroy();
  const emptyRequest = createConnection(hub.port, '127.0.0.1');
  emptyRequest.write('POST /hub HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n');
  await hub.until(({ requests }) => requests.length > 0);
  emptyRequest.destroy();
  await hub.settled();
  expect(hub.requests.map(({ body }) => body.length)).toEqual([0]);
});

test('V4 an unsolicited verification renews the lease', async () => {
  let now = 0;
  const hub = await startHub({ verify: 'sync', now: () => now });
  const topic = hub.topic('/feed');
  const subscriber = await plainSubscriber();
  await subscribe(hub, topic, subscriber.callback, { 'hub.lease_seconds': '10', 'hub.secret': 's' });
  const subscriptionKey = { topic: topic.self, callback: subscriber.callback };
  now = 5_000;
  expect(await hub.verify(subscriptionKey)).toMatchObject({ kind: 'verification', status: 200 });
  expect(hub.subscriptions).toMatchObject([{ expiresAt: new Date(15_000), leaseSeconds: 10, secret: 's' }]);
  await hub.verify(subscriptionKey, { leaseSeconds: 20 });
  expect(hub.subscriptions).toMatchObject([{ expiresAt: new Date(25_000), secret: 's' }]);

  hub.configure({ verify: 'wrong-topic' });
  subscriber.answer = () => ({ status: 404 });
  await hub.verify(subscriptionKey);
  expect(hub.subscriptions).toMatchObject([{ state: 'active' }]);
  hub.configure({ verify: undefined });
  await hub.verify(subscriptionKey);
  expect(hub.subscriptions).toMatchObject([{ state: 'refused' }]);
});

test("V4 verify() sends the first verification when `verify` is 'never'", async () => {
  const hub = await startHub({ verify: 'never' });
  const topic = hub.topic('/feed');
  const { callback, requests } = await plainSubscriber();
  const form = { 'hub.lease_seconds': '10', 'hub.secret': 's', 'hub.verify_token': 't' };
  await subscribe(hub, topic, callback, form);
  await hub.verify({ topic: topic.self, callback });
  expect(requests[0]?.query.get('hub.verify_token')).toBe('t');
  expect(hub.subscriptions).toMatchObject([{ state: 'active', leaseSeconds: 10, secret: 's' }]);
  expect(hub.violations).toEqual([]);
});

test('V3 confirming a forged unsubscription is a violation, unlike confirming a requested unsubscription', async () => {
  const hub = await startHub({ verify: 'sync' });
  const topic = hub.topic('/feed');
  const subscriber = await plainSubscriber();
  const { callback } = subscriber;
  await subscribe(hub, topic, callback, { 'hub.secret': 's' });
  const subscriptionKey = { topic: topic.self, callback };
  subscriber.answer = () => ({ status: 404 });
  await hub.verify(subscriptionKey, { mode: 'unsubscribe' });
  expect(hub.subscriptions).toMatchObject([{ state: 'active' }]);
  expect(hub.violations).toEqual([]);
  subscriber.answer = confirmAll;
  hub.configure({ verify: 'never' });
  await subscribe(hub, topic, callback, { 'hub.mode': 'unsubscribe' });
  await hub.verify(subscriptionKey);
  expect(hub.subscriptions).toMatchObject([{ state: 'active', secret: 's' }]);
  await hub.verify(subscriptionKey, { mode: 'unsubscribe' });
  expect(hub.violations).toEqual([]);
  expect(hub.subscriptions).toMatchObject([{ state: 'unsubscribed' }]);
  await subscribe(hub, topic, callback);
  await hub.verify(subscriptionKey, { mode: 'unsubscribe' });
  expect(hub.violations.map(({ code }) => code)).toEqual(['confirmed-unasked-unsubscription']);
});

test('V1 verifying an unknown subscription does not create it', async () => {
  const hub = await startHub();
  const { callback } = await plainSubscriber();
  expect(await hub.verify({ topic: 'http://example.com/', callback })).toMatchObject({ status: 200 });
  expect(hub.subscriptions).toEqual([]);
});

test('until resolves with the first truthy value, even if the hub receives no request', async () => {
  const hub = await startHub();
  let value = '';
  const result = hub.until(() => value);
  setImmediate(() => {
    value = 'there';
  });
  expect(await result).toBe('there');
  expect(await hub.until(({ port }) => port)).toBe(hub.port);
});

test('until rejects with the error the probe throws', async () => {
  const hub = await startHub();
  const probe = (): boolean => {
    throw new TypeError('mistake');
  };
  await expect(hub.until(probe)).rejects.toThrow('mistake');
});

test('the timeout error summarizes what the hub has seen', async () => {
  const hub = await startHub({ verify: 'sync' });
  const topic = hub.topic('/feed');
  await expect(hub.verified(topic, { timeoutMs: 1 })).rejects.toThrow(
    `Timed out after 1 ms waiting for a verified subscription to ${topic.self}. The hub ${hub.url} received requests: none; sent requests: none; subscriptions: none; violations: none`,
  );
  const subscriber = await plainSubscriber(() => ({ status: 404 }));
  await subscribe(hub, topic, `${subscriber.origin}/secret-path`);
  subscriber.answer = () => 'reset';
  await subscribe(hub, topic, `${subscriber.origin}/secret-path`);
  for (const _ of Array.from({ length: 9 })) await fetch(hub.url);
  const error: unknown = await hub.until(() => false, { timeoutMs: 1 }).catch((reason: unknown) => reason);
  const { message } = error instanceof Error ? error : new Error('no error');
  expect(message).toContain('Timed out after 1 ms waiting for the condition.');
  expect(message).toContain('received requests: 1 more, then POST /hub, GET /hub');
  expect(message).toContain(
    `sent requests: verification for ${topic.self} -> 404, verification for ${topic.self} -> The callback did not answer`,
  );
  expect(message).toContain(`subscriptions: ${topic.self} refused`);
  expect(message).toContain('violations: The request method is GET');
  expect(message).not.toContain('secret-path');
});

test('verified accepts a topic, its URL or nothing, and unsubscribed without a topic waits for any topic', async () => {
  const hub = await startHub({ verify: 'sync' });
  const [topic, otherTopic] = [hub.topic('/feed'), hub.topic('/other')];
  const { origin } = await plainSubscriber();
  await subscribe(hub, otherTopic, `${origin}/other`);
  await subscribe(hub, topic, `${origin}/one`);
  expect(await hub.verified(topic)).toMatchObject({ topic: topic.self });
  expect(await hub.verified(topic.self)).toMatchObject({ topic: topic.self });
  expect(await hub.verified()).toMatchObject({ topic: otherTopic.self });
  await expect(hub.unsubscribed(undefined, { timeoutMs: 1 })).rejects.toThrow('an unsubscription from any topic');
});

test('closing the hub rejects pending waits', async () => {
  const hub = await startHub();
  const [pendingWait] = await Promise.allSettled([hub.verified(), hub.close()]);
  expect(pendingWait.status === 'rejected' && String(pendingWait.reason)).toContain('closed');
});

test('a process that started and closed 50 busy hubs exits by itself', async () => {
  const script = new URL('./fifty-hubs.ts', import.meta.url);
  const args = ['--import', '@oxc-node/core/register', script.pathname];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => {
    child.kill();
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const [code] = await once(child, 'exit');
  expect(output).toBe('50 closed\n');
  expect(code).toBe(0);
}, 30_000);

test('until awaits the promise a probe returns', async () => {
  await using hub = await TestHub.start();
  let probes = 0;
  const result = await hub.until(async () => {
    probes += 1;
    return probes > 2 && probes;
  });
  expect(result).toBe(3);
});
