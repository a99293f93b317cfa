import { defineSubscriber, startService, type SubscriberRuntime } from 'websub-subscriber';
import { answerCalls, numbersOf, stringsOf } from '../calls.js';
import { SEEDED_SERVICE } from './seed-store.js';

/** A subscriber with what a store holds, as a user would start it; with `--expose-gc` it knows what it keeps. */
let runtime: SubscriberRuntime | undefined;

answerCalls({
  async start(setup) {
    const { directory } = stringsOf(setup, ['directory']);
    const { port } = numbersOf(setup, ['port']);
    const service = defineSubscriber(
      { name: SEEDED_SERVICE, secret: 'what the hub signs with', unsubscribeOnShutdown: false },
      { onEventNotification() {} },
    );
    const before = performance.now();
    runtime = await startService(service, { port, store: `lmdb://${directory}`, logger: false, handleSignals: false });
    return { milliseconds: performance.now() - before };
  },
  heap() {
    for (let time = 0; time < 3; time += 1) globalThis.gc?.();
    return { bytes: process.memoryUsage().heapUsed };
  },
  usage() {
    const { user, system } = process.cpuUsage();
    return { cpuMicros: user + system };
  },
  async stop() {
    await runtime?.stopNow();
    return {};
  },
});
