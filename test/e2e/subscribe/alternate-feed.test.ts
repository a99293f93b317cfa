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

it("D11 a page's alternate feed is subscribed, and kept across restarts while the page lists it", async () => {
  const world = new FakeWorld();
  await using hub = await TestHub.start({ now: () => world.now });
  const [firstFeed, secondFeed] = [hub.topic('/first'), hub.topic('/second')];
  let listedFeeds = [firstFeed, secondFeed];
  let requestCount = 0;
  await using page = await startHttpServer((_request, response) => {
    requestCount += 1;
    const links = listedFeeds.map(({ url }) => `<link rel=alternate type=application/atom+xml href="${url}">`);
    response.writeHead(200, { 'content-type': 'text/html' }).end(`<head>${links.join('')}</head><body>`);
  });
  const [store, port] = [new Keyv(), await unusedPort()];
  const { service, received } = recordingService({ target: `${page.url}/`, unsubscribeOnShutdown: false });

  const firstRuntime = await world.start(service, { store, port });
  onTestFinished(() => firstRuntime.stopNow());
  await firstRuntime.ready({ timeoutMs: 5_000 });
  expect(await onlySubscription(firstRuntime)).toMatchObject({ target: `${page.url}/`, topic: firstFeed.url });
  await firstFeed.publish('news of the feed');
  await until(() => received.length > 0);
  expect(received).toEqual(['news of the feed']);
  await firstRuntime.stop();

  // The page now lists another feed first.
  listedFeeds = [secondFeed, firstFeed];
  const runtime = await world.start(service, { store, port });
  onTestFinished(() => runtime.stopNow());
  const countAtStart = requestCount;
  const renewed = new Promise((resolve) => void runtime.hooks.on('renewed', resolve));
  world.advance(9 * DAY_MS);
  await renewed;
  expect(requestCount).toBeGreaterThan(countAtStart);
  expect(await onlySubscription(runtime)).toMatchObject({ state: 'active', topic: firstFeed.url });

  // The page no longer lists the subscribed feed.
  listedFeeds = [secondFeed];
  world.advance(9 * DAY_MS);
  await until(async () => (await onlySubscription(runtime)).topic === secondFeed.url);
  expect(hub.violations).toEqual([]);
});
