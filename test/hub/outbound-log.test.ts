import { createServer } from 'node:http';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { defineSubscriber, startService, type SubscriberServiceConfig } from '../../src/index.js';
import { withDebugLog } from '../../src/hub/outbound-log.js';
import type { LogEvent } from '../../src/log-events.js';
import type { Logger } from '../../src/logger.js';
import { recordingLogger, type RecordingLogger } from '../kit/recording-logger.js';
import { startHub } from '../kit/start-hub.js';

const milliseconds: unknown = expect.any(Number);

/** The fields of an event's debug lines, as JSON shows them. */
const fieldsOf = (logger: RecordingLogger, event: LogEvent): readonly object[] =>
  logger
    .logged(event)
    .filter(({ level }) => level === 'debug')
    .map(({ fields }) => JSON.parse(JSON.stringify(fields)));

async function startWithLog(config: SubscriberServiceConfig): Promise<RecordingLogger> {
  const logger = recordingLogger();
  const service = defineSubscriber({ name: 'News', ...config }, { onEventNotification: () => {} });
  const runtime = await startService(service, { port: 0, store: 'memory', logger, handleSignals: false });
  onTestFinished(() => runtime.stopNow());
  return logger;
}

test('discovery and the request to the hub are logged with status and duration', async () => {
  const hub = await startHub();
  const topic = hub.topic('/feed');
  const moved = hub.topic('/moved', { moved: { to: topic.url, status: 302 } });
  const logger = await startWithLog({ target: moved.url });
  await hub.verified();
  await hub.settled();
  expect(fieldsOf(logger, 'discovery.ended')).toEqual([
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
  expect(fieldsOf(logger, 'hub-request.ended')).toEqual([
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

test('a failed request is logged with its status, or with error codes if there was no answer', async () => {
  const hub = await startHub();
  const closedServer = createServer().listen(0, '127.0.0.1');
  await once(closedServer, 'listening');
  const address = closedServer.address();
  const unreachableHub = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/`;
  await new Promise((resolve) => closedServer.close(resolve));
  hub.fail(403);
  const missing = hub.topic('/missing', { status: 404 });
  const logger = await startWithLog({
    targets: [
      missing.url,
      { hub: hub.url, topic: 'https://example.com/a' },
      { hub: unreachableHub, topic: 'https://example.com/b' },
    ],
  });
  await hub.until(() => fieldsOf(logger, 'hub-request.ended').length > 1);
  expect(fieldsOf(logger, 'discovery.ended')).toMatchObject([
    { target: missing.url, status: 404, code: 'ERR_WEBSUB_DISCOVERY', reason: 'http-error' },
  ]);
  const requests = fieldsOf(logger, 'hub-request.ended');
  expect(requests).toContainEqual(
    expect.objectContaining({ hub: hub.url, mode: 'subscribe', status: 403, code: 'ERR_WEBSUB_INITIATION' }),
  );
  expect(requests).toContainEqual(
    expect.objectContaining({ hub: unreachableHub, answers: 0, code: 'ERR_WEBSUB_INITIATION', cause: 'ECONNREFUSED' }),
  );
});

test('an unsubscribe request is logged', async () => {
  const hub = await startHub();
  const topic = hub.topic('/feed');
  const logger = recordingLogger();
  const service = defineSubscriber({ name: 'News', target: topic.url }, { onEventNotification: () => {} });
  const runtime = await startService(service, { port: 0, store: 'memory', logger, handleSignals: false });
  await runtime.ready();
  await runtime.stop();
  expect(fieldsOf(logger, 'hub-request.ended')).toMatchObject([
    { mode: 'subscribe' },
    { mode: 'unsubscribe', status: 202 },
  ]);
});

test('the fetch of a topic after a ping is logged with its purpose', async () => {
  const hub = await startHub();
  const topic = hub.topic('/feed', { body: 'what there is' });
  const logger = await startWithLog({ target: topic.url, delivery: { fetchThinPings: true } });
  await hub.verified();
  await hub.distribute(topic.self, '');
  await hub.until(() => fieldsOf(logger, 'topic-fetch.ended').length > 0);
  expect(fieldsOf(logger, 'topic-fetch.ended')).toEqual([
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

test('a request while debug lines are disabled collects no fields', async () => {
  const recording = recordingLogger();
  const logger: Logger = { ...recording, isLevelEnabled: () => false };
  const line = {
    event: 'topic-fetch.ended' as const,
    fields: (): never => {
      throw new Error('no fields are wanted');
    },
  };
  expect(await withDebugLog(logger, line, async (onAnswer) => onAnswer)).toBeUndefined();
  expect(recording.lines).toEqual([]);
});
