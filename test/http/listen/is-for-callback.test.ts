import { createServer } from 'node:http';
import express from 'express';
import { describe, expect, test } from 'vitest';
import { signedPost, subscribed, verification, type Subscribed } from '../../kit/subscribed.js';
import { exchange, request } from '../../kit/wire.js';
import { startUserServer } from '../../kit/user-server.js';
import { listenForTest } from '../../kit/listen-for-test.js';

async function subscribedOnUserServer(
  config: { readonly servicePath?: string; readonly callback?: string },
  basePath = '/websub',
): Promise<Subscribed> {
  const { server, port } = await startUserServer();
  const publicUrl = `http://127.0.0.1:${port}`;
  return subscribed({ port, config, options: { server, publicUrl, basePath } });
}

describe('a shared server', () => {
  test('serves the pages of the user whose paths end like a fixed callback', async () => {
    const { port, path, events } = await subscribedOnUserServer({ servicePath: 'news' });
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

  test('passes requests of hubs to the callback, also with a path prefix of a proxy', async () => {
    const { port, topic, events } = await subscribedOnUserServer({ servicePath: 'news' });
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

  test('recognizes a fixed callback below the mount path of a framework', async () => {
    const server = createServer();
    const port = await listenForTest(server);
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

  test('passes a delivery to the callback on any path that ends in its token', async () => {
    const { port, path, events } = await subscribedOnUserServer({});
    const token = path.slice(path.lastIndexOf('/'));
    expect((await exchange(port, signedPost(`/elsewhere${token}`, 'news'))).status).toBe(202);
    expect((await exchange(port, request('GET', `/elsewhere${token}`))).body).toBe('theirs');
    expect(events).toHaveLength(1);
  });
});
