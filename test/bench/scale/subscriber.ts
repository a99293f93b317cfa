import { defineSubscriber, startService } from 'websub-subscriber';
import { answerCalls, numbersOf, stringsOf } from '../calls.js';
import { heapUsed } from '../heap/heap-used.js';
import { SEEDED_SERVICE } from './seed-store.js';

/** A subscriber with a seeded store, started as a user would. With `--expose-gc` it can report its heap. */
let stop = async (): Promise<void> => {};

answerCalls({
  async start(setup) {
    const { directory } = stringsOf(setup, ['directory']);
    const { port } = numbersOf(setup, ['port']);
    const service = defineSubscriber(
      { name: SEEDED_SERVICE, secret: 'what the hub signs with', unsubscribeOnShutdown: false },
      { onEventNotification() {} },
    );
    const startedAt = performance.now();
    const runtime = await startService(service, {
      port,
      store: `lmdb://${directory}`,
      logger: false,
      handleSignals: false,
    });
    const milliseconds = performance.now() - startedAt;
    stop = () => runtime.stopNow();
    return { milliseconds };
  },
  heap() {
    return { bytes: heapUsed() };
  },
  usage() {
    const { user, system } = process.cpuUsage();
    return { cpuMicros: user + system };
  },
  async stop() {
    await stop();
    return {};
  },
});
