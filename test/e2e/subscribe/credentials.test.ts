import type { IncomingHttpHeaders, RequestListener } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { SubscriberServiceConfig } from 'websub-subscriber';
import { FakeWorld } from '../../kit/fake-world.js';
import { atom } from '../../kit/publisher.js';
import { recordingService } from '../../kit/recording-service.js';
import { startHttpServer } from '../../kit/http-server.js';
import { until } from '../../kit/until.js';
import { startHub } from '../../kit/start-hub.js';

/** A server that records the headers it receives. */
async function startRecordingServer(
  answer: RequestListener,
): Promise<{ url: string; receivedHeaders: IncomingHttpHeaders[] }> {
  const receivedHeaders: IncomingHttpHeaders[] = [];
  const { url, ...server } = await startHttpServer((request, response) => {
    receivedHeaders.push(request.headers);
    request.resume();
    answer(request, response);
  });
  onTestFinished(() => server[Symbol.asyncDispose]());
  return { url, receivedHeaders };
}

async function startWith(config: SubscriberServiceConfig) {
  const world = new FakeWorld();
  const { service, received } = recordingService({ unsubscribeOnShutdown: false, ...config });
  const runtime = await world.start(service);
  onTestFinished(() => runtime.stopNow());
  return { world, runtime, received };
}

const CREDENTIAL_HEADERS = ['authorization', 'cookie', 'x-key', 'x-own'];

function expectNoCredentials(receivedHeaders: readonly IncomingHttpHeaders[]): void {
  expect(receivedHeaders.length).toBeGreaterThan(0);
  for (const headers of receivedHeaders)
    for (const name of CREDENTIAL_HEADERS) expect(headers).not.toHaveProperty(name);
}

describe('S5 credentials for a hub', () => {
  const config = {
    httpConfig: { auth: { bearer: 'token' }, headers: { cookie: 'a=b', 'x-key': 'k' } },
    customHeaders: { 'x-own': '1' },
  } as const;
  const credentials = { authorization: 'Bearer token', cookie: 'a=b', 'x-key': 'k', 'x-own': '1' };

  it.each([307, 308] as const)(
    'are not sent to the redirect location of a %i, and one warning says so',
    async (status) => {
      const secondHub = await startHub();
      const hub = await startRecordingServer(
        (_request, response) => void response.writeHead(status, { location: secondHub.url }).end(),
      );
      const topic = secondHub.topic('/feed');
      const { world, runtime } = await startWith({ target: { hub: hub.url, topic: topic.url }, ...config });
      await runtime.ready({ timeoutMs: 5_000 });
      const [{ id } = { id: '' }] = await runtime.subscriptions.find();
      const renewed = new Promise((resolve) => runtime.hooks.on('renewed', resolve));
      await runtime.renew(id);
      await renewed;
      // A hub that moved permanently is requested at its new URL.
      expect(hub.receivedHeaders).toHaveLength(status === 308 ? 1 : 2);
      for (const headers of hub.receivedHeaders) expect(headers).toMatchObject(credentials);
      const subscribeRequests = secondHub.requests.filter(({ method }) => method === 'POST');
      expect(subscribeRequests).toHaveLength(2);
      for (const { headers } of subscribeRequests)
        for (const name of CREDENTIAL_HEADERS) expect(headers.has(name)).toBe(false);
      const { origin } = new URL(secondHub.url);
      expect(world.logged('credentials.withheld')).toMatchObject([
        { level: 'warn', fields: { service: 'News', origin } },
      ]);
    },
  );
});

describe('S5 credentials for a target', () => {
  const httpConfig = { auth: { username: 'me', password: 'hush' }, headers: { cookie: 'a=b', 'x-key': 'k' } };

  it('are not sent to a rel=self on another origin that is read for a thin ping, and one warning says so', async () => {
    const hub = await startHub();
    const feed = await startRecordingServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/atom+xml' }).end(atom([]));
    });
    const page = await startRecordingServer((_request, response) => {
      response.writeHead(200, { link: `<${hub.url}>; rel=hub, <${feed.url}/feed>; rel=self` }).end();
    });
    const { world, runtime, received } = await startWith({
      target: `${page.url}/`,
      discoveryConfig: { httpConfig },
      delivery: { fetchThinPings: true },
    });
    await runtime.ready({ timeoutMs: 5_000 });
    await hub.settled();
    for (const count of [1, 2]) {
      expect((await hub.distribute(`${feed.url}/feed`, ''))[0]?.status).toBe(202);
      await until(() => received.length === count);
    }
    expect(page.receivedHeaders[0]).toMatchObject({
      authorization: expect.stringMatching(/^Basic /),
      cookie: 'a=b',
      'x-key': 'k',
    });
    expectNoCredentials(feed.receivedHeaders);
    expect(world.logged('credentials.withheld')).toMatchObject([{ fields: { service: 'News', origin: feed.url } }]);
    // Credentials for the target are not sent to its hub.
    expect(hub.requests.some(({ headers }) => CREDENTIAL_HEADERS.some((name) => headers.has(name)))).toBe(false);
  });

  it('are not sent when discovery is redirected to another origin', async () => {
    const hub = await startHub();
    const feed = await startRecordingServer((_request, response) => {
      response.writeHead(200, { link: `<${hub.url}>; rel=hub` }).end();
    });
    const page = await startRecordingServer(
      (_request, response) => void response.writeHead(302, { location: `${feed.url}/` }).end(),
    );
    const { world, runtime } = await startWith({ target: `${page.url}/`, discoveryConfig: { httpConfig } });
    await runtime.ready({ timeoutMs: 5_000 });
    expectNoCredentials(feed.receivedHeaders);
    expect(world.logged('credentials.withheld')).toHaveLength(1);
  });
});
