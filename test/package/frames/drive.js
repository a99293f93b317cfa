import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { TestHub } from 'websub-subscriber/testing';
import { startApp } from './app-process.js';
import { CERTIFICATE, KEY } from './environment.js';

/** Milliseconds a program may take to stop: the default of `gracefulShutdownSeconds`. */
const GRACE_MS = 20_000;
const READY = { timeoutMs: 30_000 };

/** Contents a parser would not reproduce byte for byte: line ends, spaces, escapes and multi-byte characters. */
const ATOM =
  '<?xml version="1.0" encoding="UTF-8"?>\r\n<feed xmlns="http://www.w3.org/2005/Atom">\n' +
  '  <entry><id>urn:x</id><title>Käse &amp; 茶</title></entry>\t\r\n</feed>\n';
const JSON_TEXT = '{ "title" : "K\\u00e4se & 茶",\r\n  "n": 1.0, "n": 2 }\n';
const CONTENT = [
  ['application/atom+xml', ATOM],
  ['application/json', JSON_TEXT],
];

/**
 * Starts a program with a hub beside it, and checks everything a mounted subscriber must do. Fields of `app`:
 *
 * - `command` (default: Node.js) and `args`, run in `cwd` with `env` added; `store`: URI of the store
 * - `base`: path of the public URL
 * - `prints`: how the program prints an event: `raw` (see programs/news.js) or `text`
 * - `home`: path of another route, or null without one; `echo`: path of a route that returns the JSON posted to it
 * - `also`: an additional check; `check`: replaces all checks between verification and stop
 * - `end`: how the process ends; `left`: state of the subscription at the hub afterwards
 */
export async function drive(app) {
  const { command = process.execPath, args, cwd, env = {}, base = '', prints = 'text', home = '/', echo } = app;
  const { end = { code: null, signal: 'SIGTERM' }, store = 'memory', check, left = 'unsubscribed' } = app;
  const tls = { key: readFileSync(KEY), cert: readFileSync(CERTIFICATE) };
  const hub = await TestHub.start({ tls });
  const topic = hub.topic('/feed', { discovery: 'link-header' });
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const program = startApp(command, args, {
    cwd,
    env: {
      FEED: topic.url,
      PORT: String(port),
      WEBSUB_PUBLIC_URL: `${origin}${base}`,
      WEBSUB_STORE: store,
      NODE_EXTRA_CA_CERTS: CERTIFICATE,
      ...env,
    },
  });
  try {
    await Promise.race([hub.verified(topic, READY), endedEarly(program)]);
    if (check === undefined) {
      for (const [contentType, body] of CONTENT) await publish(topic, { contentType, body, program, prints });
      if (home !== null) await checkOtherRoutes(origin, { home, echo });
      await checkUnknownCallback(`${origin}${base}/websub/${'x'.repeat(43)}`);
      await app.also?.({ program, origin });
    } else {
      await check({ topic, program, origin });
    }
    const startedAt = performance.now();
    program.terminate();
    const ended = await Promise.race([program.ended, delay(GRACE_MS + 2_000, undefined, { ref: false })]);
    assert.notEqual(ended, undefined, 'SIGTERM did not stop the program within its grace');
    assert.deepEqual(ended, end);
    assert.ok(performance.now() - startedAt < GRACE_MS, 'the program stopped later than its grace');
    await hub.settled();
    const states = hub.subscriptions.map(({ state }) => state);
    assert.deepEqual(states, [left], 'the state at the hub after the stop');
    assert.deepEqual(hub.violations, []);
  } catch (error) {
    const outcomes = hub.deliveries.map(({ status, error }) => status ?? error);
    throw new Error(`${error.message}\nThe hub got ${outcomes.join(', ')}. The program printed:\n${program.output()}`, {
      cause: error,
    });
  } finally {
    await program.kill();
    await hub.close();
  }
}

async function publish(topic, { contentType, body, program, prints }) {
  const [delivery] = await topic.publish(body, { contentType });
  assert.match(delivery?.sent.headers['x-hub-signature'] ?? '', /^sha256=/, 'the hub signs its content');
  assert.equal(delivery?.status, 202, `${contentType} is accepted`);
  const raw = JSON.stringify({ contentType, raw: Buffer.from(body).toString('base64') });
  await program.printed(prints === 'raw' ? raw : `${contentType} ${body}`);
}

async function checkOtherRoutes(origin, { home, echo }) {
  const page = await fetch(`${origin}${home}`);
  assert.equal(page.status, 200, 'another route answers');
  assert.match(await page.text(), /The rest of the application/);
  if (echo === undefined) return;
  const headers = { 'content-type': 'application/json' };
  const echoed = await fetch(`${origin}${echo}`, { method: 'POST', headers, body: '{ "id" : 7 }' });
  assert.equal(await echoed.text(), '{"id":7}', 'the body parser of the application works');
}

async function checkUnknownCallback(callback) {
  const content = await fetch(callback, { method: 'POST', headers: { 'content-type': 'text/plain' }, body: 'forged' });
  assert.equal(content.status, 404, 'content for an unknown callback is 404');
  const query = new URLSearchParams({ 'hub.mode': 'subscribe', 'hub.topic': 'https://x.test', 'hub.challenge': 'c' });
  const intent = await fetch(`${callback}?${query}`);
  assert.equal(intent.status, 404, 'a verification for an unknown callback is 404');
}

async function endedEarly(program) {
  const { code, signal } = await program.ended;
  throw new Error(`The program ended with ${code ?? signal} before the hub could verify`);
}

/** Finds a free port below the kernel's ephemeral range, so that the kernel does not assign it meanwhile. */
async function freePort() {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    const server = createServer().listen(port, '127.0.0.1');
    try {
      await once(server, 'listening');
    } catch (error) {
      if (error.code === 'EADDRINUSE') continue;
      throw error;
    }
    server.close();
    await once(server, 'close');
    return port;
  }
}
