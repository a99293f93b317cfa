import { readFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { createConnection } from 'node:net';
import { text } from 'node:stream/consumers';
import { Agent, request } from 'undici';
import { expect, onTestFinished, test } from 'vitest';
import { plainSubscriber, post, subscribe } from '../../kit/plain-subscriber.js';
import { startHub } from '../../kit/start-hub.js';
import type { TestHub } from '../../../src/testing/index.js';

const validForm = {
  'hub.mode': 'subscribe',
  'hub.topic': 'http://example.com/feed',
  'hub.callback': 'http://127.0.0.1:9/cb',
};
const formType = 'application/x-www-form-urlencoded';

const violationCodes = (hub: TestHub): string[] => hub.violations.map(({ code }) => code);

/** Sends the raw bytes, with custom headers. */
async function sendRaw(hub: TestHub, body: string, headers: Record<string, string>): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(hub.url, { method: 'POST', headers, agent: false }, (response) => {
      text(response).then(() => resolve(response.statusCode), reject);
    });
    outgoing.on('error', reject).end(body);
  });
}

test('S1 a correct request with custom parameters and headers is not a violation', async () => {
  const hub = await startHub({ verify: 'never' });
  const fullForm = { ...validForm, 'hub.lease_seconds': '60', 'hub.secret': 'x'.repeat(199), custom: 'é' };
  expect((await post(hub, fullForm)).status).toBe(202);
  expect(hub.violations).toEqual([]);
});

test.each([
  ['hub.callback is missing', { 'hub.callback': '' }, ['missing-callback']],
  ['hub.mode is missing', { 'hub.mode': '' }, ['missing-mode']],
  ['hub.topic is missing', { 'hub.topic': '' }, ['missing-topic']],
  ['hub.mode is "publish"', { 'hub.mode': 'publish' }, ['unknown-mode']],
  ['hub.callback is "me"', { 'hub.callback': 'me' }, ['callback-not-a-url']],
  ['hub.callback is "ftp://me/"', { 'hub.callback': 'ftp://me/' }, ['callback-not-a-url']],
  ['hub.topic is "/feed"', { 'hub.topic': '/feed' }, ['topic-not-a-url']],
  ['hub.secret has 200 bytes', { 'hub.secret': 'é'.repeat(100) }, ['secret-too-long']],
  ['hub.verify is "later"', { 'hub.verify': 'later' }, ['unknown-verify']],
])('S1 the hub records "%s" and answers 400', async (message, change, expected) => {
  const hub = await startHub({ verify: 'never' });
  const response = await post(hub, { ...validForm, ...change });
  expect(response.status).toBe(400);
  expect(await response.text()).toContain(message);
  expect(violationCodes(hub)).toEqual(expected);
  expect(hub.violations[0]?.request).toBe(hub.requests[0]);
  expect(hub.subscriptions).toEqual([]);
});

test.each([
  ['an empty secret', { 'hub.secret': '' }, 'secret-empty'],
  ['a fragment in the callback', { 'hub.callback': 'http://127.0.0.1:9/cb#x' }, 'url-with-fragment'],
  ['a fragment in the topic', { 'hub.topic': 'http://example.com/#x' }, 'url-with-fragment'],
  ['a lease of 0', { 'hub.lease_seconds': '0' }, 'lease-seconds'],
  ['a lease of -5', { 'hub.lease_seconds': '-5' }, 'lease-seconds'],
  ['a lease of 1.5', { 'hub.lease_seconds': '1.5' }, 'lease-seconds'],
  ['a lease of 1e3', { 'hub.lease_seconds': '1e3' }, 'lease-seconds'],
  ['an empty lease', { 'hub.lease_seconds': '' }, 'lease-seconds'],
])('S1 %s is recorded as a violation, and the request is accepted', async (_, change, expected) => {
  const hub = await startHub({ verify: 'never' });
  expect((await post(hub, { ...validForm, ...change })).status).toBe(202);
  expect(violationCodes(hub)).toEqual([expected]);
});

test('S1 several violations of one request are all recorded', async () => {
  const hub = await startHub();
  expect((await post(hub, { 'hub.lease_seconds': 'x' })).status).toBe(400);
  expect(violationCodes(hub)).toEqual(['missing-callback', 'missing-mode', 'missing-topic', 'lease-seconds']);
});

test('S1 a parameter given twice is recorded and answered 400', async () => {
  const hub = await startHub();
  const body = new URLSearchParams(validForm);
  body.append('hub.topic', 'http://example.com/other');
  expect((await fetch(hub.url, { method: 'POST', body })).status).toBe(400);
  expect(violationCodes(hub)).toEqual(['duplicate-parameter']);
});

test.each([
  ['application/json', ['content-type']],
  ['text/plain', ['content-type']],
  [`${formType}; charset=iso-8859-1`, ['not-utf-8']],
])('S1 a form sent as %s is recorded and answered 400', async (contentType, expected) => {
  const hub = await startHub();
  const body = new URLSearchParams(validForm).toString();
  expect(await sendRaw(hub, body, { 'content-type': contentType })).toBe(400);
  expect(violationCodes(hub)).toEqual(expected);
});

test('S1 a missing content type is recorded and answered 400', async () => {
  const hub = await startHub();
  expect(await sendRaw(hub, new URLSearchParams(validForm).toString(), {})).toBe(400);
  expect(violationCodes(hub)).toEqual(['content-type']);
});

test.each([`${formType};charset=UTF-8`, `${formType}; charset="utf-8"`, 'Application/X-WWW-Form-Urlencoded'])(
  'S1 a form sent as %s is not a violation',
  async (contentType) => {
    const hub = await startHub({ verify: 'never' });
    expect(await sendRaw(hub, new URLSearchParams(validForm).toString(), { 'content-type': contentType })).toBe(202);
    expect(hub.violations).toEqual([]);
  },
);

test('S1 a form that is not UTF-8 is recorded and answered 400', async () => {
  const hub = await startHub();
  const body = `${new URLSearchParams(validForm).toString()}&name=caf%E9`;
  expect(await sendRaw(hub, body, { 'content-type': formType })).toBe(400);
  expect(violationCodes(hub)).toEqual(['not-utf-8']);
});

test('S5 a secret over plain HTTP is recorded when the host is not loopback', async () => {
  const hub = await startHub({ verify: 'never' });
  const body = new URLSearchParams({ ...validForm, 'hub.secret': 'keep it' }).toString();
  const headers = { 'content-type': formType };
  for (const host of ['localhost', 'hub.localhost:1', '127.0.0.2', '[::1]:80']) {
    expect(await sendRaw(hub, body, { ...headers, host })).toBe(202);
  }
  expect(await sendRaw(hub, body, { ...headers, host: 'hub.example', 'x-forwarded-proto': 'https' })).toBe(202);
  expect(hub.violations).toEqual([]);
  for (const host of ['hub.example', 'localhost.example', 'not a host']) {
    expect(await sendRaw(hub, body, { ...headers, host })).toBe(202);
  }
  expect(violationCodes(hub)).toEqual(Array.from({ length: 3 }, () => 'secret-over-plain-http'));
  expect(JSON.stringify(hub.violations.map(({ message }) => message))).not.toContain('keep it');
});

test('S5 a secret over plain HTTP is recorded when the request has no Host', async () => {
  const hub = await startHub({ verify: 'never' });
  const body = new URLSearchParams({ ...validForm, 'hub.secret': 's' }).toString();
  const socket = createConnection(hub.port, '127.0.0.1');
  socket.end(`POST /hub HTTP/1.0\r\ncontent-type: ${formType}\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
  expect(await text(socket)).toContain('202 Accepted');
  expect(violationCodes(hub)).toEqual(['secret-over-plain-http']);
});

test('S5 a secret over https is not a violation, for any host', async () => {
  const pem = (name: string): Promise<Buffer> => readFile(new URL(`../../fixtures/tls/${name}.pem`, import.meta.url));
  const cert = await pem('certificate');
  const hub = await startHub({ verify: 'never', hostname: 'localhost', tls: { key: await pem('key'), cert } });
  expect(hub.url).toMatch(/^https:\/\/localhost:\d+\/hub$/);
  const dispatcher = new Agent({ connect: { ca: cert } });
  onTestFinished(() => dispatcher.destroy());
  const body = new URLSearchParams({ ...validForm, 'hub.secret': 's' }).toString();
  const headers = { 'content-type': formType, host: 'hub.test' };
  expect((await request(hub.url, { method: 'POST', body, headers, dispatcher })).statusCode).toBe(202);
  expect(hub.violations).toEqual([]);
});

test('S3 a redirect followed as GET is recorded and answered 405', async () => {
  const hub = await startHub();
  const response = await fetch(hub.url);
  expect(response.status).toBe(405);
  expect(response.headers.get('allow')).toBe('POST');
  expect(violationCodes(hub)).toEqual(['not-a-post']);
});

test('S6 unsubscribing an unknown subscription is recorded and answered 400', async () => {
  const hub = await startHub({ verify: 'never' });
  await post(hub, validForm);
  const unknownUnsubscription = { ...validForm, 'hub.mode': 'unsubscribe', 'hub.callback': 'http://127.0.0.1:9/other' };
  expect((await post(hub, unknownUnsubscription)).status).toBe(400);
  expect(violationCodes(hub)).toEqual(['unsubscribe-unknown']);
  expect((await post(hub, { ...validForm, 'hub.mode': 'unsubscribe' })).status).toBe(202);
  expect(violationCodes(hub)).toHaveLength(1);
});

test('S8 one callback for two topics is recorded while the first subscription is live', async () => {
  const hub = await startHub({ verify: 'sync' });
  const { callback } = await plainSubscriber();
  const [firstTopic, secondTopic, thirdTopic] = [hub.topic('/one'), hub.topic('/two'), hub.topic('/three')];
  await subscribe(hub, firstTopic, callback);
  await subscribe(hub, firstTopic, callback, { 'hub.mode': 'unsubscribe' });
  await subscribe(hub, secondTopic, callback);
  expect(hub.violations).toEqual([]);
  expect((await subscribe(hub, thirdTopic, callback)).status).toBe(202);
  expect(violationCodes(hub)).toEqual(['callback-shared']);
});

test('received requests are recorded in order, with headers, body and form', async () => {
  const now = Date.UTC(2030, 0, 1);
  const hub = await startHub({ verify: 'never', now: () => now });
  hub.topic('/feed');
  await fetch(new URL('/feed', hub.url), { headers: { accept: 'text/html' } });
  await post(hub, validForm);
  expect(hub.requests.map(({ method, path }) => `${method} ${path}`)).toEqual(['GET /feed', 'POST /hub']);
  expect(hub.requests[0]?.headers.get('accept')).toBe('text/html');
  expect(hub.requests[1]?.form.get('hub.topic')).toBe('http://example.com/feed');
  expect(Buffer.from(hub.requests[1]?.body ?? []).toString()).toBe(new URLSearchParams(validForm).toString());
  expect(hub.requests[1]?.at).toEqual(new Date(now));
});
