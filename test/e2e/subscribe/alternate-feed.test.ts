import { Keyv } from 'keyv';
import { expect, it, onTestFinished } from 'vitest';
import { TestHub } from 'websub-subscriber/testing';
import { FakeWorld } from '../../kit/fake-world.js';
import { DAY_MS } from '../../kit/durations.js';
import { unusedPort } from '../../kit/ports.js';
import { recordingService } from '../../kit/recording-service.js';
import { startHttpServer } from '../../kit/http-server.js';
import { until } from '../../kit/until.js';
import { onlySubscription } from '../../kit/only-subscription.js';

it("D11 a page's alternate feed is subscribed, and kept while the page lists it, across restarts", async () => {
  const world = new FakeWorld();
  await using hub = await TestHub.start({ now: () => world.now });
  const [first, second] = [hub.topic('/first'), hub.topic('/second')];
  let listed = [first, second];
  let requestCount = 0;
  await using page = await startHttpServer((_request, response) => {
    requestCount += 1;
    const links = listed.map(({ url }) => `<link rel=alternate type=application/atom+xml href="${url}">`);
    response.writeHead(200, { 'content-type': 'text/html' }).end(`<head>${links.join('')}</head><body>`);
  });
  const [store, port] = [new Keyv(), await unusedPort()];
  const { service, received } = recordingService({ target: `${page.url}/`, unsubscribeOnShutdown: false });

  const before = await world.start(service, { store, port });
  onTestFinished(() => before.stopNow());
  await before.ready({ timeoutMs: 5_000 });
  expect(await onlySubscription(before)).toMatchObject({ target: `${page.url}/`, topic: first.url });
  await first.publish('news of the feed');
  await until(() => received.length > 0);
  expect(received).toEqual(['news of the feed']);
  await before.stop();

  // The page now lists another feed first.
  listed = [second, first];
  const runtime = await world.start(service, { store, port });
  onTestFinished(() => runtime.stopNow());
  const countAtStart = requestCount;
  const renewed = new Promise((resolve) => void runtime.hooks.on('renewed', resolve));
  world.advance(9 * DAY_MS);
  await renewed;
  expect(requestCount).toBeGreaterThan(countAtStart);
  expect(await onlySubscription(runtime)).toMatchObject({ state: 'active', topic: first.url });

  // The page no longer lists the subscribed feed.
  listed = [second];
  world.advance(9 * DAY_MS);
  await until(async () => (await onlySubscription(runtime)).topic === second.url);
  expect(hub.violations).toEqual([]);
});
