import { TestHub } from '../../src/testing/index.js';

// Each hub is its own subscriber. The requests to its callback stay unanswered until the hub is closed.
for (let count = 0; count < 50; count += 1) {
  const hub = await TestHub.start({ delayMs: { topic: 3_600_000 } });
  const callback = hub.topic('/callback').url;
  const topic = hub.topic('/feed').self;
  const body = new URLSearchParams({ 'hub.mode': 'subscribe', 'hub.topic': topic, 'hub.callback': callback });
  await (await fetch(hub.url, { method: 'POST', body })).text();
  await hub.close();
}
process.stdout.write('50 closed\n');
