import { createServer } from 'node:http';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { defineSubscriber, startService, type SubscriberServiceConfig } from '../../src/index.js';
import { withDebugLog } from '../../src/hub/outbound-log.js';
import type { Logger } from '../../src/logger.js';
import { TestHub } from '../../src/testing/index.js';
import { recordingLogger, type RecordingLogger } from '../kit/recording-logger.js';

const milliseconds: unknown = expect.any(Number);

const fieldsOf = ({ lines }: RecordingLogger, message: string): readonly object[] =>
  lines
    .filter((line) => line.level === 'debug' && line.message === message)
    .map(({ fields }) => JSON.parse(JSON.stringify(fields)));

async function running(config: SubscriberServiceConfig): Promise<RecordingLogger> {
  const logger = recordingLogger();
  const service = defineSubscriber({ name: 'News', ...config }, { onEventNotification: () => {} });
  const runtime = await startService(service, { port: 0, store: 'memory', logger, handleSignals: false });
  onTestFinished(() => runtime.stopNow());
  return logger;
}

async function startHub(): Promise<TestHub> {
  const hub = await TestHub.start();
  onTestFinished(() => hub.close());
  return hub;
}

test('discovery and the request to the hub are told with their status and time', async () => {
  const hub = await startHub();
  const topic = hub.topic('/feed');
  const moved = hub.topic('/moved', { moved: { to: topic.url, status: 302 } });
  const logger = await running({ target: moved.url });
  await hub.verified();
  await hub.settled();
  expect(fieldsOf(logger, 'discovery ended')).toEqual([
    {
      subscription: expect.any(String),
      service: 'News',
      target: moved.url,
      via: 'link-header',
      hubs: 1,
      status: 200,
      answers: 2,
      milliseconds,
    },
  ]);
  expect(fieldsOf(logger, 'hub request ended')).toEqual([
    {
      subscription: expect.any(String),
      service: 'News',
      mode: 'subscribe',
      hub: hub.url,
      topic: topic.url,
      status: 202,
      answers: 1,
      milliseconds,
    },
  ]);
});

test('what failed is told with its status, or with its codes where there was no answer', async () => {
  const hub = await startHub();
  const closed = createServer().listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const address = closed.address();
  const nobody = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/`;
  await new Promise((resolve) => closed.close(resolve));
  hub.fail(403);
  const lost = hub.topic('/lost', { status: 404 });
  const logger = await running({
    targets: [
      lost.url,
      { hub: hub.url, topic: 'https://example.com/a' },
      { hub: nobody, topic: 'https://example.com/b' },
    ],
  });
  await hub.until(() => fieldsOf(logger, 'hub request ended').length > 1);
  expect(fieldsOf(logger, 'discovery ended')).toMatchObject([
    { target: lost.url, status: 404, code: 'ERR_WEBSUB_DISCOVERY', reason: 'http-error' },
  ]);
  const requests = fieldsOf(logger, 'hub request ended');
  expect(requests).toContainEqual(
    expect.objectContaining({ hub: hub.url, mode: 'subscribe', status: 403, code: 'ERR_WEBSUB_INITIATION' }),
  );
  expect(requests).toContainEqual(
    expect.objectContaining({ hub: nobody, answers: 0, code: 'ERR_WEBSUB_INITIATION', cause: 'ECONNREFUSED' }),
  );
});

test('an unsubscribe request is told', async () => {
  const hub = await startHub();
  const topic = hub.topic('/feed');
  const logger = recordingLogger();
  const service = defineSubscriber({ name: 'News', target: topic.url }, { onEventNotification: () => {} });
  const runtime = await startService(service, { port: 0, store: 'memory', logger, handleSignals: false });
  await runtime.ready();
  await runtime.stop();
  expect(fieldsOf(logger, 'hub request ended')).toMatchObject([
    { mode: 'subscribe' },
    { mode: 'unsubscribe', status: 202 },
  ]);
});

test('a topic that is fetched for a ping is told with its purpose', async () => {
  const hub = await startHub();
  const topic = hub.topic('/feed', { body: 'what there is' });
  const logger = await running({ target: topic.url, delivery: { fetchThinPings: true } });
  await hub.verified();
  await hub.distribute(topic.self, '');
  await hub.until(() => fieldsOf(logger, 'topic fetch ended').length > 0);
  expect(fieldsOf(logger, 'topic fetch ended')).toEqual([
    {
      subscription: expect.any(String),
      service: 'News',
      topic: topic.self,
      purpose: 'ping',
      bytes: 13,
      status: 200,
      answers: 1,
      milliseconds,
    },
  ]);
});

test('while debug is off, the request is made and nothing is collected for a line', async () => {
  const recording = recordingLogger();
  const logger: Logger = { ...recording, isLevelEnabled: () => false };
  const line = {
    message: 'ended',
    fields: (): never => {
      throw new Error('no fields are wanted');
    },
  };
  expect(await withDebugLog(logger, line, async (onAnswer) => onAnswer)).toBeUndefined();
  expect(recording.lines).toEqual([]);
});
