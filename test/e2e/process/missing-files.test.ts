import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { renameSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { TestHub } from '../../../src/testing/index.js';
import { installPackage } from '../../kit/installed-package.js';
import { temporaryDirectory } from '../../kit/temporary-directory.js';

const SECRET = 'a long one that nobody guesses';
const ATOM = { contentType: 'application/atom+xml' };
const feed = (title: string): string =>
  `<feed xmlns="http://www.w3.org/2005/Atom"><title>News</title><id>urn:f</id><entry><id>urn:${title}</id><title>${title}</title></entry></feed>`;

/** A feed long enough to be parsed in another thread. */
const longFeed = (title: string): string =>
  feed(title).replace('</entry>', `<content>${'x'.repeat(100_000)}</content></entry>`);

let installed: { readonly service: string; readonly discovering: string; readonly modules: string };

const folder = temporaryDirectory(afterAll);

beforeAll(async () => {
  const { programs, modules } = await installPackage(folder, 'deprived-process.ts', 'discovering-process.ts');
  const [service = '', discovering = ''] = programs;
  installed = { service, discovering, modules };
}, 60_000);

/** The arguments of bash that run a program with a limit of file descriptors. */
function limitedArgs(program: string, descriptors: number | undefined, ...args: readonly string[]): readonly string[] {
  const limit = descriptors === undefined ? '' : `ulimit -n ${descriptors}; `;
  return ['-c', `${limit}exec "$0" "$@"`, process.execPath, program, ...args];
}

/** A process with a service, and functions to talk to it. */
interface DeprivedProcess {
  readonly child: ChildProcess;
  readonly tell: (name: string, argument?: string) => Promise<unknown>;
  /** Sends over one connection that stays open. */
  readonly send: (
    method: string,
    url: string,
    body?: string,
  ) => Promise<{ readonly status: number | undefined; readonly text: string }>;
}

async function startDeprived(subject: object, descriptors?: number): Promise<DeprivedProcess> {
  const child = spawn('bash', limitedArgs(installed.service, descriptors), {
    cwd: dirname(installed.service),
    env: { ...process.env, SUBJECT: JSON.stringify({ secret: SECRET, ...subject }) },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const ended = once(child, 'exit');
  onTestFinished(async () => {
    child.kill();
    await ended;
  });
  const nextResult = async (): Promise<unknown> => {
    const [message] = await Promise.race([once(child, 'message'), ended]);
    if (typeof message !== 'object') throw new Error(`the process ended: ${String(message)}`);
    if ('error' in message) throw new Error(message.error);
    return message.result;
  };
  await nextResult();
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => agent.destroy());
  return {
    child,
    tell(name, argument) {
      child.send([name, argument]);
      return nextResult();
    },
    async send(method, url, body = '') {
      const signature = `sha256=${createHmac('sha256', SECRET).update(body).digest('hex')}`;
      const headers = method === 'POST' ? { 'x-hub-signature': signature, 'content-type': ATOM.contentType } : {};
      const sent = request(url, { method, agent, headers });
      sent.end(body);
      const [response] = await once(sent, 'response');
      let text = '';
      for await (const chunk of response) text += String(chunk);
      return { status: response.statusCode, text };
    },
  };
}

test('a process without free file descriptors answers, runs due work, and recovers when some are free', async () => {
  await using hub = await TestHub.start();
  const topic = hub.topic('/feed', { ...ATOM, body: feed('first') });
  const { child, tell, send } = await startDeprived({ hub: hub.url, topic: topic.url }, 80);
  await tell('ready');
  const [{ id, callback }] = Object(await tell('find'));
  const unknownUrl = `${String(await tell('where'))}/nobody`;
  expect(await send('GET', unknownUrl)).toMatchObject({ status: 404 });
  await tell('lines');

  expect(await tell('take')).toBe('EMFILE');
  const verification = new URLSearchParams({ 'hub.mode': 'subscribe', 'hub.topic': topic.url, 'hub.challenge': 'yes' });
  expect(await send('GET', unknownUrl)).toMatchObject({ status: 404 });
  expect(await send('GET', `${callback}?${verification.toString()}`)).toEqual({ status: 200, text: 'yes' });
  expect(await send('POST', callback, feed('poor'))).toMatchObject({ status: 202 });
  expect(await send('POST', callback, feed('again'))).toMatchObject({ status: 202 });
  await vi.waitFor(async () => expect(await tell('news')).toEqual(['poor (1)', 'again (1)', 'again (2)']), 15_000);
  // No parser thread can start.
  expect(await send('POST', callback, longFeed('long'))).toMatchObject({ status: 202 });
  // No connection to a server can be opened, and no new connection can be accepted.
  const otherTopic = hub.topic('/other', { ...ATOM, body: feed('other') });
  await tell('subscribe', otherTopic.url.replace('127.0.0.1', 'localhost'));
  await vi.waitFor(
    async () => expect(await tell('find')).toMatchObject([{ state: 'active' }, { lastError: { cause: 'discovery' } }]),
    15_000,
  );
  const [failedDelivery] = await topic.publish(feed('unheard'));
  expect(failedDelivery?.status).toBeUndefined();
  const lines = Object(await tell('lines'));
  expect(lines.length).toBeLessThan(20);

  await tell('free');
  expect(await send('GET', unknownUrl)).toMatchObject({ status: 404 });
  expect(await topic.publish(feed('rich'))).toMatchObject([{ status: 202 }]);
  const requestsBefore = hub.requests.length;
  await tell('renew', id);
  await vi.waitFor(() => expect(hub.requests.length).toBeGreaterThan(requestsBefore), 15_000);
  await tell('ready');
  expect(await tell('find')).toMatchObject([{ state: 'active' }, { state: 'active' }]);
  await vi.waitFor(async () => expect(await tell('news')).toContain('rich (1)'), 15_000);
  await vi.waitFor(async () => expect(await tell('news')).toContainEqual(expect.stringMatching(/^long \(/)), 15_000);
  await tell('stop');
  expect(await once(child, 'exit')).toEqual([0, null]);
}, 60_000);

test('a process whose node_modules are gone after its start still discovers, parses and retries', async () => {
  await using hub = await TestHub.start();
  const page = hub.topic('/page', { contentType: 'text/html', body: '<p>News</p>', discovery: 'html' });
  const { child, tell, send } = await startDeprived({});
  renameSync(installed.modules, `${installed.modules}-away`);
  onTestFinished(() => renameSync(`${installed.modules}-away`, installed.modules));
  expect(await send('GET', `${String(await tell('where'))}/nobody`)).toMatchObject({ status: 404 });
  await tell('subscribe', page.url);
  await tell('ready');
  expect(await page.publish(feed('again'), ATOM)).toMatchObject([{ status: 202 }]);
  await vi.waitFor(async () => expect(await tell('news')).toEqual(['again (1)', 'again (2)']), 15_000);
  expect(await page.publish(longFeed('long'), ATOM)).toMatchObject([{ status: 202 }]);
  await vi.waitFor(async () => expect(await tell('news')).toContain('long (1)'), 15_000);
  expect(await tell('lines')).toEqual(expect.not.arrayContaining([expect.stringMatching(/could not be|timer/)]));
  await tell('stop');
  expect(await once(child, 'exit')).toEqual([0, null]);
}, 60_000);

test('packages that could not be loaded without a free file descriptor are loaded with free descriptors', async () => {
  await using hub = await TestHub.start();
  const topic = hub.topic('/feed', { ...ATOM, body: feed('first') });
  const run = promisify(execFile);
  const { stdout } = await run('bash', limitedArgs(installed.discovering, 64, topic.url), {
    cwd: dirname(installed.discovering),
  });
  const failure = expect.stringMatching(/\bThe package \S+ .* could not be loaded: EMFILE/);
  expect(JSON.parse(stdout)).toEqual([failure, failure, topic.url]);
});
