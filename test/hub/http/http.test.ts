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
import { unusedPort } from '../../kit/ports.js';
import { failureOf } from '../../kit/failure-of.js';
import { startServer, answerWith } from '../../kit/recording-server.js';

/** Bytes that are neither text nor of a known coding. */
const junk = Buffer.alloc(1000, 0x9d);

const get = { method: 'GET', headers: {}, guarded: false } as const;

describe('an outbound request', () => {
  it('sends the given method, headers and body, and its own User-Agent', async () => {
    await using server = await startServer(answerWith(200));
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

  it('keeps a User-Agent and an Accept that the caller sets', async () => {
    await using server = await startServer(answerWith(200));
    const headers = new Headers({ 'user-agent': 'mine', accept: 'application/atom+xml' });
    await send(server.url, { method: 'GET', headers, guarded: false });
    expect(server.requests[0]?.headers).toMatchObject({ 'user-agent': 'mine', accept: 'application/atom+xml' });
  });

  it.each([200, 301, 307, 401, 404, 500, 503])(
    'returns a %i after one request and follows no redirect',
    async (code) => {
      await using server = await startServer(
        answerWith(code, { location: '/elsewhere', link: '<a>; rel=hub' }, 'text'),
      );
      const answer = await send(server.url, { method: 'POST', headers: {}, body: 'a=b', guarded: false });
      expect(answer.status).toBe(code);
      expect(answer.headers.get('location')).toBe('/elsewhere');
      expect(answer.headers.get('link')).toBe('<a>; rel=hub');
      expect(await new Response(answer.body).text()).toBe('text');
      expect(server.requests).toHaveLength(1);
    },
  );

  it('returns an answer without a body', async () => {
    await using server = await startServer(answerWith(204));
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
  ])('D14 decodes a body of %s, even if it is plain or has trailing bytes', async (coding, body) => {
    await using server = await startServer((_request, response) => {
      response.writeHead(200, { 'content-encoding': coding }).end(body);
    });
    expect(await new Response((await send(server.url, get)).body).text()).toBe('zipped');
  });

  it('D14 names the Content-Encoding of a body that does not decode, and ends its transfer', async () => {
    const head = 'HTTP/1.1 200 OK\r\nContent-Encoding: compress\r\nContent-Length: 1000000\r\n\r\n';
    await using server = await startRawServer((socket) => socket.write(Buffer.concat([Buffer.from(head), junk])));
    const { body } = await send(server.url, get);
    const error = await failureOf(new Response(body).text());
    expect(error).toMatchObject({ message: expect.stringMatching(/Content-Encoding "compress" cannot be decoded: /) });
    await expect.poll(() => server.sockets[0]?.destroyed).toBe(true);
  });

  it('rejects with the network error', async () => {
    const port = await unusedPort();
    expect(await failureOf(send(`http://127.0.0.1:${port}/`, get))).toMatchObject({ code: 'ECONNREFUSED' });
  });

  it("rejects with the signal's reason", async () => {
    await using server = await startServer(() => {});
    const controller = new AbortController();
    const answer = failureOf(send(server.url, { ...get, signal: controller.signal }));
    const reason = new Error('enough');
    controller.abort(reason);
    expect(await answer).toBe(reason);
  });

  it("rejects with the signal's reason at once while it connects", async () => {
    const dispatcher = new Agent({ connect: () => undefined });
    const controller = new AbortController();
    const answer = failureOf(send('http://127.0.0.1:9/', { ...get, signal: controller.signal, dispatcher }));
    const reason = new Error('enough');
    controller.abort(reason);
    expect(await answer).toBe(reason);
    expect(
      await failureOf(send('http://127.0.0.1:9/', { ...get, signal: AbortSignal.abort(reason), dispatcher })),
    ).toBe(reason);
  });

  it.each([{}, { 'content-encoding': 'gzip' }])(
    "fails the reading of a body with the signal's reason (%j)",
    async (headers) => {
      await using server = await startServer((_request, response) => {
        response.writeHead(200, headers).write(gzipSync('zipped').subarray(0, 5));
      });
      const controller = new AbortController();
      const { body } = await send(server.url, { ...get, signal: controller.signal });
      const readError = failureOf(new Response(body).text());
      const reason = new Error('enough');
      controller.abort(reason);
      expect(await readError).toBe(reason);
    },
  );

  it.each([{}, { 'content-encoding': 'gzip' }])('ends the transfer of a cancelled body (%j)', async (headers) => {
    await using server = await startServer((_request, response) => {
      response.writeHead(200, headers).write(gzipSync('zipped').subarray(0, 5));
      response.on('close', () => onClose());
    });
    let onClose = (): void => {};
    const transferEnded = new Promise<void>((resolve) => {
      onClose = resolve;
    });
    const { body } = await send(server.url, get);
    await body?.cancel();
    await expect(transferEnded).resolves.toBeUndefined();
  });

  it.each([
    ['gzip', gzipSync('zipped')],
    ['deflate', deflateSync('zipped')],
    ['br', brotliCompressSync('zipped')],
  ])('reuses the connection after a body of %s was read to its end', async (coding, body) => {
    const head = `HTTP/1.1 200 OK\r\nContent-Encoding: ${coding}\r\nTransfer-Encoding: chunked\r\n\r\n`;
    const chunk = `${body.byteLength.toString(16)}\r\n${body.toString('latin1')}\r\n`;
    await using server = await startRawServer((socket) => {
      socket.write(head + chunk, 'latin1');
      setImmediate(() => socket.write('0\r\n\r\n'));
    });
    for (const _request of [1, 2, 3]) {
      expect(await new Response((await send(server.url, get)).body).text()).toBe('zipped');
    }
    expect([server.sockets.length, server.received.length]).toEqual([1, 3]);
  });

  it('tolerates that an unread body breaks off, and fails its later reading', async () => {
    await using server = await startServer((_request, response) => {
      response.writeHead(200, { 'content-length': 10 }).write('half');
      setImmediate(() => response.destroy());
    });
    const dispatcher = new Agent();
    const brokenOff = once(dispatcher, 'disconnect');
    const { status: code, body } = await send(server.url, { ...get, dispatcher });
    await brokenOff;
    expect(code).toBe(200);
    expect(await failureOf(new Response(body).text())).toMatchObject({ code: 'UND_ERR_SOCKET' });
    await dispatcher.destroy();
  });

  it.each(['127.0.0.1', 'localhost', '[::ffff:127.0.0.1]'])('does not connect to %s when guarded', async (host) => {
    await using server = await startServer(answerWith(200));
    const error = await failureOf(send(`http://${host}:${server.port}/`, { ...get, guarded: true }));
    expect(error).toBeInstanceOf(AddressError);
    expect(error).toMatchObject({ message: expect.stringContaining('security.allowPrivateNetworks') });
    expect(server.requests).toHaveLength(0);
  });

  it('reports a name that does not resolve when guarded', async () => {
    stubName('hub.invalid');
    const error = await failureOf(send('http://hub.invalid/', { ...get, guarded: true }));
    expect(error).not.toBeInstanceOf(AddressError);
    expect(error).toMatchObject({ message: expect.stringContaining('hub.invalid') });
  });

  it("uses the user's dispatcher unchanged", async () => {
    await using server = await startServer(answerWith(200));
    const dispatcher = new Agent();
    expect(await send(server.url, { ...get, guarded: true, dispatcher })).toMatchObject({ status: 200 });
    await dispatcher.destroy();
    expect(await failureOf(send(server.url, { ...get, guarded: true, dispatcher }))).toMatchObject({
      code: 'UND_ERR_DESTROYED',
    });
  });
});

const startAnswering = (...lines: readonly string[]) => {
  const head = `${lines.join('\r\n')}\r\n\r\n`;
  return startRawServer((socket) => void socket.write(head, 'latin1'));
};

describe('the headers of an outbound request', () => {
  it('are the given headers and those that HTTP needs for a GET', async () => {
    await using server = await startAnswering('HTTP/1.1 200 OK', 'Content-Length: 0');
    await send(`${server.url}/feed?a=b`, { ...get, headers: { Accept: 'a/b', 'X-Own': 'é' } });
    expect(server.received).toEqual([
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

  it('are the given headers and those that HTTP needs for a POST', async () => {
    await using server = await startAnswering('HTTP/1.1 202 Accepted', 'Content-Length: 0');
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
    await send(`${server.url}/hub`, { method: 'POST', headers, body: 'hub.mode=subscribe', guarded: false });
    expect(server.received).toEqual([
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

  it('keep an Accept-Encoding that the caller sets', async () => {
    await using server = await startAnswering('HTTP/1.1 200 OK', 'Content-Length: 0');
    await send(server.url, { ...get, headers: { 'Accept-Encoding': 'identity' } });
    expect(server.received[0]).toContain('\r\naccept-encoding: identity\r\n');
  });
});

describe('the headers of an answer', () => {
  it('are joined if repeated, and have one character per byte', async () => {
    await using server = await startAnswering(
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

  it('are those of the final answer after an interim answer', async () => {
    await using server = await startAnswering(
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

  it('lead to an error if they are too long', async () => {
    await using server = await startAnswering('HTTP/1.1 200 OK', `Link: <${'a'.repeat(20_000)}>`, 'Content-Length: 0');
    expect(await failureOf(send(server.url, get))).toMatchObject({ code: 'UND_ERR_HEADERS_OVERFLOW' });
  });

  it.each([600, 999])('may come with the status %i, which no Response can have', async (code) => {
    await using server = await startAnswering(`HTTP/1.1 ${code} Denied`, 'Content-Length: 0');
    expect(await send(server.url, get)).toMatchObject({ status: code });
  });
});

const root = fileURLToPath(new URL('../../..', import.meta.url));

it('an idle connection does not keep the process alive', { timeout: 30_000 }, async () => {
  const outDir = mkdtempSync(join(root, 'node_modules', '.outbound-'));
  const server = createServer((_request, response) => response.end('kept'));
  server.keepAliveTimeout = 60_000;
  try {
    writeFileSync(join(outDir, 'package.json'), '{"type":"module"}');
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    const flags = ['--ignoreConfig', '--noCheck', '--module', 'nodenext', '--target', 'es2023', '--outDir', outDir];
    spawnSync(process.execPath, [tsc, ...flags, join(root, 'src/hub/http/http.ts')], { cwd: root });
    server.listen(0, '127.0.0.1');
    const connected = once(server, 'connection');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    writeFileSync(
      join(outDir, 'child.js'),
      `import { send } from './hub/http/http.js';
       const answer = await send('http://127.0.0.1:${address.port}/', { method: 'GET', headers: {}, guarded: false });
       console.log(await new Response(answer.body).text());`,
    );
    // The limit is far below the keep-alive time of either side.
    const child = spawn(process.execPath, [join(outDir, 'child.js')], { timeout: 20_000 });
    const [output, errors, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
    await connected;
    expect({ output, errors, code }).toEqual({ output: 'kept\n', errors: '', code: 0 });
  } finally {
    server.close();
    server.closeAllConnections();
    rmSync(outDir, { recursive: true });
  }
});
