test('an event reaches the handler', async () => {
  const { defineSubscriber, startService } = await import('websub-subscriber');
  const { TestHub } = await import('websub-subscriber/testing');
  const received = [];
  const hub = await TestHub.start();
  const topic = hub.topic('/feed');
  const feedReader = defineSubscriber(
    { name: 'feed-reader', target: topic.url, secret: 'auto' },
    { onEventNotification: (event) => void received.push(event.text()) },
  );
  const runtime = await startService(feedReader, { port: 0, host: '127.0.0.1', store: 'memory', logger: false });
  await runtime.ready();
  await topic.publish('first');
  await runtime.stop();
  await hub.close();
  expect(received).toEqual(['first']);
});
