import { describe, expect, it } from 'vitest';
import { startService, StoreError } from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';
import { recordingLogger } from '../../kit/recording-logger.js';
import { temporaryDirectory } from '../../kit/temporary-directory.js';
import { unusedPort } from '../../kit/ports.js';
import { failureOf } from '../../kit/failure-of.js';
import { recordingService } from '../../kit/recording-service.js';
import { until } from '../../kit/until.js';

describe('waitForStoreSeconds', () => {
  it('makes a start wait until the previous runtime has stopped, and then use its subscriptions', async () => {
    await using hub = await TestHub.start();
    const logger = recordingLogger();
    const options = {
      port: await unusedPort(),
      store: `lmdb://${temporaryDirectory()}`,
      handleSignals: false,
      logger,
    } as const;
    const { service } = recordingService({ target: hub.topic('/feed').url, unsubscribeOnShutdown: false });
    const first = await startService(service, options);
    await first.ready();
    const [before] = await first.subscriptions.find();
    const starting = startService(service, { ...options, waitForStoreSeconds: 30 });
    await until(() => logger.logged('store.waiting').length > 0);
    const [line] = logger.logged('store.waiting');
    expect(line).toMatchObject({ level: 'info', fields: { store: options.store, ownerPid: process.pid } });
    expect(line?.fields['waitSeconds']).toBeGreaterThan(28);
    expect(line?.fields['waitSeconds']).toBeLessThanOrEqual(30);
    await first.stop();
    await using second = await starting;
    const [after] = await second.subscriptions.find();
    expect(after).toMatchObject({ id: before?.id, state: 'active' });
  });

  it('makes a start reject with a StoreError after that time, and at once if it is not set', async () => {
    const options = {
      port: 0,
      store: `lmdb://${temporaryDirectory()}`,
      handleSignals: false,
      logger: false,
    } as const;
    const { service } = recordingService();
    await using _first = await startService(service, options);
    const timeoutError = await failureOf(startService(service, { ...options, waitForStoreSeconds: 0.2 }));
    expect(timeoutError).toBeInstanceOf(StoreError);
    expect(timeoutError.message).toMatch(/in use by this process .* not released within 0\.2 s\.$/);
    const immediateError = await failureOf(startService(service, options));
    expect(immediateError.message).toMatch(/in use by this process .*waitForStoreSeconds/);
    expect(immediateError.message).not.toContain('not released');
  });
});
