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
    await until(() => logger.messages('info').some((line) => /waiting up to (30|29\.\d) s for it/.test(line)));
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
    expect(timeoutError.message).toMatch(
      /in use by this very process .* not given up within 0\.2 s \(waitForStoreSeconds\)\.$/,
    );
    const immediateError = await failureOf(startService(service, options));
    expect(immediateError.message).toMatch(/wait for it with waitForStoreSeconds, or give this one a store of its own/);
    expect(immediateError.message).not.toContain('not given up');
  });
});
