import { answerCalls, stringsOf } from '../calls.js';

/** Node.js has started. From here on the time is spent on imports. */
const startedAt = performance.now();
let stop = async (): Promise<void> => {};

answerCalls({
  async start(subject) {
    const { hub, topic, secret } = stringsOf(subject, ['hub', 'topic', 'secret']);
    const { defineSubscriber, startService } = await import('websub-subscriber');
    let listening = 0;
    const service = defineSubscriber(
      { name: 'First', target: { hub, topic }, secret },
      {
        onEventNotification() {},
        onStart() {
          listening = performance.now() - startedAt;
        },
      },
    );
    const runtime = await startService(service, { port: 0 });
    const milliseconds = performance.now() - startedAt;
    stop = () => runtime.stop();
    return { milliseconds, listening };
  },
  async stop() {
    await stop();
    return {};
  },
});
