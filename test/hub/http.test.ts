import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { Agent } from 'undici';
import { describe, expect, it } from 'vitest';
import { AddressError } from '../../src/hub/address-guard.js';
import { send } from '../../src/hub/http.js';
import { version } from '../../src/version.js';
import { stubName } from '../set-up/names.js';
import { closedPort, rejection, startServer, status } from './recording-server.js';

const get = { method: 'GET', headers: {}, guarded: false } as const;

describe('one outbound request', () => {
  it('sends method, headers and body as given, and says who it is', async () => {
    await using server = await startServer(status(200));
    const headers = { 'content-type': 'application/x-www-form-urlencoded', 'x-own': '1' };
    await send(`${server.url}/hub?a=b`, { method: 'POST', headers, body: 'hub.mode=subscribe', guarded: false });
    expect(server.requests).toMatchObject([
      {
        method: 'POST',
        path: '/hub?a=b',
        body: 'hub.mode=subscribe',
        headers: { ...headers, accept: '*/*', 'user-agent': `websub-subscriber/${version}` },
      },
    ]);
  });

  it('leaves User-Agent and Accept to whoever sets them', async () => {
    await using server = await startServer(status(200));
    const headers = new Headers({ 'user-agent': 'mine', accept: 'application/atom+xml' });
    await send(server.url, { method: 'GET', headers, guarded: false });
    expect(server.requests[0]?.headers).toMatchObject({ 'user-agent': 'mine', accept: 'application/atom+xml' });
  });

  it.each([200, 301, 307, 401, 404, 500, 503])('hands back a %i once and follows nothing', async (code) => {
    await using server = await startServer(status(code, { location: '/elsewhere', link: '<a>; rel=hub' }, 'text'));
    const answer = await send(server.url, { method: 'POST', headers: {}, body: 'a=b', guarded: false });
    expect(answer.status).toBe(code);
    expect(answer.headers.get('location')).toBe('/elsewhere');
    expect(answer.headers.get('link')).toBe('<a>; rel=hub');
    expect(await new Response(answer.body).text()).toBe('text');
    expect(server.requests).toHaveLength(1);
  });

  it('hands back an answer without a body', async () => {
    await using server = await startServer(status(204));
    expect(await send(server.url, get)).toMatchObject({ status: 204, body: null });
  });

  it('decodes the body', async () => {
    await using server = await startServer((_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('zipped'));
    });
    expect(await new Response((await send(server.url, get)).body).text()).toBe('zipped');
  });

  it("rejects with the network's own error", async () => {
    const port = await closedPort();
    expect(await rejection(send(`http://127.0.0.1:${port}/`, get))).toMatchObject({ code: 'ECONNREFUSED' });
  });

  it("rejects with the signal's reason", async () => {
    await using server = await startServer(() => {});
    const controller = new AbortController();
    const answer = rejection(send(server.url, { ...get, signal: controller.signal }));
    const reason = new Error('enough');
    controller.abort(reason);
    expect(await answer).toBe(reason);
  });

  it.each(['127.0.0.1', 'localhost', '[::ffff:127.0.0.1]'])('guarded, does not connect to %s', async (host) => {
    await using server = await startServer(status(200));
    const error = await rejection(send(`http://${host}:${server.port}/`, { ...get, guarded: true }));
    expect(error).toBeInstanceOf(AddressError);
    expect(error).toMatchObject({ message: expect.stringContaining('security.allowPrivateNetworks') });
    expect(server.requests).toHaveLength(0);
  });

  it('guarded, reports a name that does not resolve as such', async () => {
    stubName('hub.invalid');
    const error = await rejection(send('http://hub.invalid/', { ...get, guarded: true }));
    expect(error).not.toBeInstanceOf(AddressError);
    expect(error).toMatchObject({ message: expect.stringContaining('hub.invalid') });
  });

  it("uses the user's own dispatcher as it is", async () => {
    await using server = await startServer(status(200));
    const dispatcher = new Agent();
    expect(await send(server.url, { ...get, guarded: true, dispatcher })).toMatchObject({ status: 200 });
    await dispatcher.destroy();
    expect(await rejection(send(server.url, { ...get, guarded: true, dispatcher }))).toMatchObject({
      code: 'UND_ERR_DESTROYED',
    });
  });
});

const root = fileURLToPath(new URL('../..', import.meta.url));

it('a connection kept for the next request does not keep the process alive', { timeout: 30_000 }, async () => {
  const compiled = mkdtempSync(join(root, 'node_modules', '.outbound-'));
  const server = createServer((_request, response) => response.end('kept'));
  server.keepAliveTimeout = 60_000;
  try {
    writeFileSync(join(compiled, 'package.json'), '{"type":"module"}');
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    const flags = ['--ignoreConfig', '--noCheck', '--module', 'nodenext', '--target', 'es2023', '--outDir', compiled];
    spawnSync(process.execPath, [tsc, ...flags, join(root, 'src/hub/http.ts')], { cwd: root });
    server.listen(0, '127.0.0.1');
    const connected = once(server, 'connection');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    writeFileSync(
      join(compiled, 'child.js'),
      `import { send } from './hub/http.js';
       const answer = await send('http://127.0.0.1:${address.port}/', { method: 'GET', headers: {}, guarded: false });
       console.log(await new Response(answer.body).text());`,
    );
    // The limit is far below the time for which either side would keep the connection.
    const child = spawn(process.execPath, [join(compiled, 'child.js')], { timeout: 20_000 });
    const [output, problems, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
    await connected;
    expect({ output, problems, code }).toEqual({ output: 'kept\n', problems: '', code: 0 });
  } finally {
    server.close();
    server.closeAllConnections();
    rmSync(compiled, { recursive: true });
  }
});
