import { describe, expect, it } from 'vitest';
import { startService, StoreError } from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';
import { recordingLogger } from '../kit/recording-logger.js';
import { temporaryDirectory } from '../kit/news-service.js';
import { deadPort, failureOf, reader, until } from '../kit/world.js';

describe('waitForStoreSeconds', () => {
  it('lets a start wait until the runtime before it has stopped, and goes on where that one ended', async () => {
    await using hub = await TestHub.start();
    const logger = recordingLogger();
    const options = {
      port: await deadPort(),
      store: `lmdb://${await temporaryDirectory()}`,
      handleSignals: false,
      logger,
    } as const;
    const { service } = reader({ target: hub.topic('/feed').url, unsubscribeOnShutdown: false });
    const first = await startService(service, options);
    await first.ready();
    const [before] = await first.subscriptions.find();
    const starting = startService(service, { ...options, waitForStoreSeconds: 30 });
    await until(() => logger.said('info').some((line) => line.includes('waiting up to 30 s for it')));
    await first.stop();
    await using second = await starting;
    const [after] = await second.subscriptions.find();
    expect(after).toMatchObject({ id: before?.id, state: 'active' });
  });

  it('rejects with the StoreError after that time, and at once by default', async () => {
    const options = {
      port: 0,
      store: `lmdb://${await temporaryDirectory()}`,
      handleSignals: false,
      logger: false,
    } as const;
    const { service } = reader();
    await using _first = await startService(service, options);
    const late = await failureOf(startService(service, { ...options, waitForStoreSeconds: 0.2 }));
    expect(late).toBeInstanceOf(StoreError);
    expect(late.message).toMatch(
      /in use by this very process .* not given up within 0\.2 s \(waitForStoreSeconds\)\.$/,
    );
    const soon = await failureOf(startService(service, options));
    expect(soon.message).toMatch(/wait for it with waitForStoreSeconds, or give this one a store of its own/);
    expect(soon.message).not.toContain('not given up');
  });
});
