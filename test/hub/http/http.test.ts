import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { Agent } from 'undici';
import { describe, expect, it } from 'vitest';
import { AddressError } from '../../../src/hub/guard/address-guard.js';
import { send } from '../../../src/hub/http/http.js';
import { version } from '../../../src/version.js';
import { stubName } from '../../kit/set-up/names.js';
import { startRawServer } from '../../kit/raw-server.js';
import { closedPort, rejection, startServer, status } from '../../kit/recording-server.js';

/** Neither text nor of a coding that is known. */
const junk = Buffer.alloc(1000, 0x9d);

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

  it.each([
    ['gzip', gzipSync('zipped')],
    ['deflate', deflateSync('zipped')],
    ['deflate', deflateRawSync('zipped')],
    ['br', brotliCompressSync('zipped')],
    ['gzip, br', brotliCompressSync(gzipSync('zipped'))],
    ['gzip', Buffer.from('zipped')],
    ['gzip', Buffer.concat([gzipSync('zipped'), Buffer.from('<!-- served by a cache -->')])],
  ])('D14: decodes %s as far as it is true', async (coding, body) => {
    await using server = await startServer((_request, response) => {
      response.writeHead(200, { 'content-encoding': coding }).end(body);
    });
    expect(await new Response((await send(server.url, get)).body).text()).toBe('zipped');
  });

  it('D14: says of a body that cannot be decoded what it was to be, and ends its transfer', async () => {
    const head = 'HTTP/1.1 200 OK\r\nContent-Encoding: compress\r\nContent-Length: 1000000\r\n\r\n';
    await using server = await startRawServer((socket) => socket.write(Buffer.concat([Buffer.from(head), junk])));
    const { body } = await send(server.url, get);
    const error = await rejection(new Response(body).text());
    expect(error).toMatchObject({ message: expect.stringContaining('Content-Encoding "compress" does not decode') });
    await expect.poll(() => server.sockets[0]?.destroyed).toBe(true);
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

  it("rejects with the signal's reason at once while it connects", async () => {
    const dispatcher = new Agent({ connect: () => undefined });
    const controller = new AbortController();
    const answer = rejection(send('http://127.0.0.1:9/', { ...get, signal: controller.signal, dispatcher }));
    const reason = new Error('enough');
    controller.abort(reason);
    expect(await answer).toBe(reason);
    expect(
      await rejection(send('http://127.0.0.1:9/', { ...get, signal: AbortSignal.abort(reason), dispatcher })),
    ).toBe(reason);
  });

  it.each([{}, { 'content-encoding': 'gzip' }])(
    "fails a body that is read with the signal's reason (%j)",
    async (headers) => {
      await using server = await startServer((_request, response) => {
        response.writeHead(200, headers).write(gzipSync('zipped').subarray(0, 5));
      });
      const controller = new AbortController();
      const { body } = await send(server.url, { ...get, signal: controller.signal });
      const text = rejection(new Response(body).text());
      const reason = new Error('enough');
      controller.abort(reason);
      expect(await text).toBe(reason);
    },
  );

  it.each([{}, { 'content-encoding': 'gzip' }])(
    'ends the transfer of a body that is cancelled (%j)',
    async (headers) => {
      await using server = await startServer((_request, response) => {
        response.writeHead(200, headers).write(gzipSync('zipped').subarray(0, 5));
        response.on('close', () => ended());
      });
      let ended = (): void => {};
      const transferEnded = new Promise<void>((resolve) => {
        ended = resolve;
      });
      const { body } = await send(server.url, get);
      await body?.cancel();
      await expect(transferEnded).resolves.toBeUndefined();
    },
  );

  it.each([
    ['gzip', gzipSync('zipped')],
    ['deflate', deflateSync('zipped')],
    ['br', brotliCompressSync('zipped')],
  ])('keeps the connection of a body of %s that was read to its end', async (coding, body) => {
    const head = `HTTP/1.1 200 OK\r\nContent-Encoding: ${coding}\r\nTransfer-Encoding: chunked\r\n\r\n`;
    const chunk = `${body.byteLength.toString(16)}\r\n${body.toString('latin1')}\r\n`;
    await using server = await startRawServer((socket) => {
      socket.write(head + chunk, 'latin1');
      setImmediate(() => socket.write('0\r\n\r\n'));
    });
    for (const _request of [1, 2, 3]) {
      expect(await new Response((await send(server.url, get)).body).text()).toBe('zipped');
    }
    expect([server.sockets.length, server.heard.length]).toEqual([1, 3]);
  });

  it('takes an answer of which nothing is read, however it ends', async () => {
    await using server = await startServer((_request, response) => {
      response.writeHead(200, { 'content-length': 10 }).write('half');
      setImmediate(() => response.destroy());
    });
    const controller = new AbortController();
    const { status: code } = await send(server.url, { ...get, signal: controller.signal });
    controller.abort();
    expect(code).toBe(200);
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

const answered = (...lines: readonly string[]) => {
  const head = `${lines.join('\r\n')}\r\n\r\n`;
  return startRawServer((socket) => void socket.write(head, 'latin1'));
};

describe('the headers of an outbound request', () => {
  it('are those given, and what HTTP needs: GET', async () => {
    await using server = await answered('HTTP/1.1 200 OK', 'Content-Length: 0');
    await send(`${server.url}/feed?a=b`, { ...get, headers: { Accept: 'a/b', 'X-Own': 'é' } });
    expect(server.heard).toEqual([
      [
        'GET /feed?a=b HTTP/1.1',
        `host: ${new URL(server.url).host}`,
        'connection: keep-alive',
        'accept: a/b',
        'accept-encoding: gzip, deflate, br',
        `user-agent: websub-subscriber/${version}`,
        'x-own: é',
        '\r\n',
      ].join('\r\n'),
    ]);
  });

  it('are those given, and what HTTP needs: POST', async () => {
    await using server = await answered('HTTP/1.1 202 Accepted', 'Content-Length: 0');
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
    await send(`${server.url}/hub`, { method: 'POST', headers, body: 'hub.mode=subscribe', guarded: false });
    expect(server.heard).toEqual([
      [
        'POST /hub HTTP/1.1',
        `host: ${new URL(server.url).host}`,
        'connection: keep-alive',
        'accept: */*',
        'content-type: application/x-www-form-urlencoded',
        `user-agent: websub-subscriber/${version}`,
        'content-length: 18',
        '',
        'hub.mode=subscribe',
      ].join('\r\n'),
    ]);
  });

  it('leave Accept-Encoding to whoever sets it', async () => {
    await using server = await answered('HTTP/1.1 200 OK', 'Content-Length: 0');
    await send(server.url, { ...get, headers: { 'Accept-Encoding': 'identity' } });
    expect(server.heard[0]).toContain('\r\naccept-encoding: identity\r\n');
  });
});

describe('the headers of an answer', () => {
  it('are joined where one is repeated, and have one character a byte', async () => {
    await using server = await answered(
      'HTTP/1.1 200 OK',
      'Content-Length: 0',
      'Link: <a>; rel=hub',
      'Link: <b>; rel=self; title="caf\u00c3\u00a9"',
      'Location: /caf\u00e9',
      'Set-Cookie: a=b, c',
      'Set-Cookie: d=e',
    );
    const { headers } = await send(server.url, get);
    expect(headers.get('link')).toBe('<a>; rel=hub, <b>; rel=self; title="caf\u00c3\u00a9"');
    expect(headers.get('location')).toBe('/caf\u00e9');
    expect(headers.getSetCookie()).toEqual(['a=b, c', 'd=e']);
  });

  it('may come after another answer that is not final', async () => {
    await using server = await answered(
      'HTTP/1.1 103 Early Hints',
      'Link: <c>',
      '',
      'HTTP/1.1 200 OK',
      'Link: <a>',
      'Content-Length: 0',
    );
    const { status: code, headers } = await send(server.url, get);
    expect({ code, link: headers.get('link') }).toEqual({ code: 200, link: '<a>' });
  });

  it('are an error of their own where they are too long', async () => {
    await using server = await answered('HTTP/1.1 200 OK', `Link: <${'a'.repeat(20_000)}>`, 'Content-Length: 0');
    expect(await rejection(send(server.url, get))).toMatchObject({ code: 'UND_ERR_HEADERS_OVERFLOW' });
  });

  it.each([600, 999])('may have the status %i, which no Response has', async (code) => {
    await using server = await answered(`HTTP/1.1 ${code} Denied`, 'Content-Length: 0');
    expect(await send(server.url, get)).toMatchObject({ status: code });
  });
});

const root = fileURLToPath(new URL('../../..', import.meta.url));

it('a connection kept for the next request does not keep the process alive', { timeout: 30_000 }, async () => {
  const compiled = mkdtempSync(join(root, 'node_modules', '.outbound-'));
  const server = createServer((_request, response) => response.end('kept'));
  server.keepAliveTimeout = 60_000;
  try {
    writeFileSync(join(compiled, 'package.json'), '{"type":"module"}');
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    const flags = ['--ignoreConfig', '--noCheck', '--module', 'nodenext', '--target', 'es2023', '--outDir', compiled];
    spawnSync(process.execPath, [tsc, ...flags, join(root, 'src/hub/http/http.ts')], { cwd: root });
    server.listen(0, '127.0.0.1');
    const connected = once(server, 'connection');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    writeFileSync(
      join(compiled, 'child.js'),
      `import { send } from './hub/http/http.js';
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
