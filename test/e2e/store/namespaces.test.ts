import { describe, expect, it, onTestFinished } from 'vitest';
import { startService, type SubscriberDefinition, type SubscriberRuntime } from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';
import { recordingLogger } from '../../kit/recording-logger.js';
import { runFile } from '../../kit/example-process.js';
import { temporaryDirectory } from '../../kit/temporary-directory.js';
import { unusedPort } from '../../kit/ports.js';
import { failureOf } from '../../kit/failure-of.js';
import { recordingService } from '../../kit/recording-service.js';

describe('two runtimes in one LMDB directory', () => {
  it('work side by side in their own namespaces, even after one of them restarts', async () => {
    await using hub = await TestHub.start();
    const directory = temporaryDirectory();
    const logger = recordingLogger();
    const start = async (
      service: SubscriberDefinition,
      namespace: string,
      port: number,
    ): Promise<SubscriberRuntime> => {
      const store = `lmdb://${directory}?namespace=${namespace}`;
      const runtime = await startService(service, { port, store, logger, handleSignals: false });
      onTestFinished(() => runtime.stopNow());
      await runtime.ready();
      return runtime;
    };
    const topic = hub.topic('/feed');
    const [blue, green] = [
      recordingService({ target: topic.url }),
      recordingService({ target: topic.url, unsubscribeOnShutdown: false }),
    ];
    const port = await unusedPort();
    const blueRuntime = await start(blue.service, 'blue', 0);
    const greenRuntime = await start(green.service, 'green', port);
    await hub.settled();
    const [greenSubscription] = await greenRuntime.subscriptions.find();
    expect(await blueRuntime.subscriptions.count()).toBe(1);
    expect((await blueRuntime.subscriptions.find())[0]?.id).not.toBe(greenSubscription?.id);
    await topic.publish('one');
    await greenRuntime.stop();
    const restarted = await start(green.service, 'green', port);
    expect((await restarted.subscriptions.find())[0]).toMatchObject({ id: greenSubscription?.id, state: 'active' });
    await topic.publish('two');
    expect([blue.received, green.received]).toEqual([
      ['one', 'two'],
      ['one', 'two'],
    ]);
    expect(logger.logged('store.opened').map(({ fields }) => fields['store'])).toEqual(
      ['blue', 'green', 'green'].map((name) => `lmdb://${directory}?namespace=${name}`),
    );
    const failure = await failureOf(start(green.service, 'blue', 0));
    expect(failure.message).toContain(`The store lmdb://${directory}?namespace=blue is in use by this process `);
  });

  it('work in two processes, and one continues if the other is killed', async () => {
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed');
    const directory = temporaryDirectory();
    const storeOf = (namespace: string): string => `lmdb://${directory}?namespace=${namespace}`;
    const { service, received } = recordingService({ target: topic.url });
    await using runtime = await startService(service, {
      port: 0,
      store: storeOf('mine'),
      logger: false,
      handleSignals: false,
    });
    await using otherProcess = runFile('test/e2e/fixtures/service-process.ts', {
      env: { TARGET: topic.url, OPTIONS: JSON.stringify({ port: 0, store: storeOf('theirs') }) },
      node: ['--import', '@oxc-node/core/register'],
    });
    await runtime.ready();
    await otherProcess.printed('ready: ');
    await topic.publish('one');
    await otherProcess.printed('news: one');
    otherProcess.kill('SIGKILL');
    await otherProcess.ended;
    await topic.publish('two');
    expect(received).toEqual(['one', 'two']);
    expect(await runtime.subscriptions.count({ state: 'active' })).toBe(1);
  });
});
