import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import express from 'express';
import { describe, expect, onTestFinished, test } from 'vitest';
import { signedPost, subscribed, verification, type Subscribed } from '../../kit/subscribed.js';
import { exchange, request } from '../../kit/wire.js';

async function theirServer(): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer((_request, response) => void response.setHeader('Content-Length', 6).end('theirs'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  return { server, port: typeof address === 'object' && address !== null ? address.port : 0 };
}

async function besideThem(
  config: { readonly servicePath?: string; readonly callback?: string },
  basePath = '/websub',
): Promise<Subscribed> {
  const { server, port } = await theirServer();
  const publicUrl = `http://127.0.0.1:${port}`;
  return subscribed({ port, config, options: { server, publicUrl, basePath } });
}

describe('a server that is somebody else’s as well', () => {
  test('keeps its pages whose paths end as a fixed callback does', async () => {
    const { port, path, events } = await besideThem({ servicePath: 'news' });
    expect(path).toBe('/websub/news');
    for (const target of ['/news', '/blog/news', '/news/', '/news?page=2']) {
      expect((await exchange(port, request('GET', target))).body).toBe('theirs');
    }
    for (const target of ['/news', '/blog/news']) {
      expect((await exchange(port, signedPost(target, 'a form of theirs'))).body).toBe('theirs');
    }
    expect((await exchange(port, request('DELETE', '/news'))).body).toBe('theirs');
    expect(events).toEqual([]);
  });

  test('hands on what hubs ask and send, also below what a proxy puts before it', async () => {
    const { port, topic, events } = await besideThem({ servicePath: 'news' });
    const query = new URLSearchParams(verification(topic.url)).toString();
    for (const target of ['/websub/news', '/news', '/outer/news']) {
      expect((await exchange(port, request('GET', `${target}?${query}`))).body).toBe('c9+/=');
    }
    for (const target of ['/websub/news', '/outer/websub/news', '/outer/websub/n%65ws/']) {
      expect((await exchange(port, signedPost(target, 'news'))).status).toBe(202);
    }
    expect(events).toHaveLength(3);
    expect((await exchange(port, signedPost('/%/news', 'news'))).body).toBe('theirs');
  });

  test('knows a fixed callback below the path that a framework has mounted it at', async () => {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const publicUrl = `http://127.0.0.1:${port}`;
    const { runtime, events } = await subscribed({
      port,
      config: { callback: `${publicUrl}/hooks/news`, unsubscribeOnShutdown: false },
      options: { manual: true, publicUrl },
      hub: { verify: 'never' },
      unverified: true,
    });
    const app = express().use('/hooks', (incoming, response, next) => runtime.nodeHandler(incoming, response, next));
    server.on('request', (incoming, response) => void app(incoming, response));
    expect((await exchange(port, signedPost('/hooks/news', 'news'))).status).toBe(202);
    expect((await exchange(port, signedPost('/hooks/blog/news', 'news'))).status).toBe(404);
    expect(events).toHaveLength(1);
  });

  test('hands on what ends in a token, wherever it comes', async () => {
    const { port, path, events } = await besideThem({});
    const token = path.slice(path.lastIndexOf('/'));
    expect((await exchange(port, signedPost(`/elsewhere${token}`, 'news'))).status).toBe(202);
    expect((await exchange(port, request('GET', `/elsewhere${token}`))).body).toBe('theirs');
    expect(events).toHaveLength(1);
  });
});
