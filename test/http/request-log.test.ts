import { expect, test } from 'vitest';
import { REASON } from '../../src/http/answer-reasons.js';
import { SubscriptionDeletedError } from '../../src/index.js';
import type { LogEvent } from '../../src/log-events.js';
import type { Logger } from '../../src/logger.js';
import { recordingLogger, type RecordingLogger } from '../kit/recording-logger.js';
import { exchange, request } from '../kit/wire.js';
import { SECRET, subscribed, verification } from '../kit/subscribed.js';

/** The fields of an event's debug lines, as JSON shows them. */
const fieldsOf = (logger: RecordingLogger, event: LogEvent): readonly object[] =>
  logger
    .logged(event)
    .filter(({ level }) => level === 'debug')
    .map(({ fields }) => JSON.parse(JSON.stringify(fields)));

const milliseconds: unknown = expect.any(Number);

test('a delivery is logged with its event, size and duration', async () => {
  const { post, logger, events, snapshot } = await subscribed();
  expect((await post('some news')).status).toBe(202);
  const { id, grants } = await snapshot();
  expect(fieldsOf(logger, 'delivery.answered')).toEqual([
    {
      status: 202,
      outcome: 'acknowledged',
      service: 'News',
      subscription: id,
      grant: grants[0]?.id,
      eventId: events[0]?.id,
      bytes: 9,
      milliseconds,
    },
  ]);
});

test('a delivery whose handler fails is logged with the stored event', async () => {
  const receivedIds: string[] = [];
  const onEventNotification = ({ id }: { readonly id: string }): Promise<never> => {
    receivedIds.push(id);
    return Promise.reject(new Error('not now'));
  };
  const { post, logger } = await subscribed({ handlers: { onEventNotification } });
  await post('news');
  expect(fieldsOf(logger, 'delivery.answered')).toMatchObject([{ status: 202, eventId: receivedIds[0] }]);
});

test.each([
  ['reject', 403],
  ['acknowledge', 202],
] as const)('content without a valid signature is logged as rejected (onFailure: %s)', async (onFailure, status) => {
  const { port, path, post, logger } = await subscribed({ config: { signature: { onFailure } } });
  await exchange(port, request('POST', path, {}, 'news'));
  await post('news', { 'X-Hub-Signature': `sha256=${'0'.repeat(64)}` });
  const reason = status === 403 ? { reason: REASON.wrongSignature } : {};
  expect(fieldsOf(logger, 'delivery.answered')).toMatchObject([
    { status, outcome: 'rejected', service: 'News', ...reason },
    { status, outcome: 'rejected', service: 'News', bytes: 4, ...reason },
  ]);
});

test('content refused with 404, 413 or 410 is logged with its reason', async () => {
  const endOfSubscription = new SubscriptionDeletedError('enough of it');
  const { port, post, logger } = await subscribed({
    handlers: { onEventNotification: () => Promise.reject(endOfSubscription) },
    options: { security: { maxBodyBytes: 10 } },
  });
  await exchange(port, request('POST', '/websub/nobodys', {}, 'news'));
  await post('content that is too long');
  await post('news');
  await post('news');
  expect(fieldsOf(logger, 'delivery.answered')).toEqual([
    { status: 404, outcome: 'refused', reason: REASON.unknownCallback, milliseconds },
    expect.objectContaining({ status: 413, outcome: 'refused', reason: REASON.bodyTooLarge }),
    expect.objectContaining({ status: 410, outcome: 'refused', reason: 'enough of it', eventId: expect.any(String) }),
    expect.objectContaining({ status: 410, outcome: 'refused', reason: REASON.ended }),
  ]);
});

test('content that is refused because the inbox is full is logged with its reason', async () => {
  const { post, logger } = await subscribed({
    config: { delivery: { mode: 'queued', maxPending: 1 } },
    handlers: { onEventNotification: () => Promise.reject(new Error('not now')) },
  });
  await post('one');
  await post('two');
  expect(fieldsOf(logger, 'delivery.answered')).toMatchObject([
    { status: 202, outcome: 'acknowledged', eventId: expect.any(String) },
    { status: 503, outcome: 'refused', reason: REASON.inboxFull, service: 'News' },
  ]);
});

test('verifications, denials and hub errors are logged with their outcome', async () => {
  const { sendGet, topic, logger, snapshot } = await subscribed();
  const { id } = await snapshot();
  await sendGet(verification(topic.url, { 'hub.topic': 'https://example.com/another' }));
  await sendGet({ 'hub.mode': 'hub-error', 'hub.topic': topic.url });
  await sendGet({ 'hub.mode': 'denied', 'hub.topic': topic.url });
  await sendGet({ 'hub.mode': 'x'.repeat(5_000) });
  expect(fieldsOf(logger, 'verification.answered')).toMatchObject([
    { method: 'GET', mode: 'subscribe', status: 200, outcome: 'confirmed', service: 'News', subscription: id },
    { mode: 'subscribe', status: 404, outcome: 'refused', reason: REASON.wrongTopic },
  ]);
  expect(fieldsOf(logger, 'hub-error.answered')).toMatchObject([
    { mode: 'hub-error', status: 200, outcome: 'acknowledged' },
  ]);
  expect(fieldsOf(logger, 'denial.answered')).toMatchObject([{ mode: 'denied', status: 200, outcome: 'acknowledged' }]);
  expect(fieldsOf(logger, 'callback.answered')).toMatchObject([
    { mode: 'x'.repeat(200), status: 400, outcome: 'refused', reason: REASON.unknownMode },
  ]);
});

test('no debug line has a callback, a secret, a token or a header', async () => {
  const { sendGet, post, topic, path, logger } = await subscribed();
  await post('news', { 'X-Private': 'a header value' });
  await post('news', { 'X-Hub-Signature': 'sha256=0000' });
  await sendGet(verification(topic.url));
  await topic.publish('more');
  const debugLines = JSON.stringify(logger.lines.filter(({ level }) => level === 'debug'));
  expect(logger.events('debug')).toEqual(expect.arrayContaining(['delivery.answered', 'hub-request.ended']));
  for (const confidential of [path.split('/').at(-1) ?? '', SECRET, 'a header value', 'sha256=', 'c9+/=']) {
    expect(debugLines).not.toContain(confidential);
  }
});

test('debug lines are not bounded', async () => {
  const { post, logger } = await subscribed();
  for (let count = 0; count < 100; count += 1) await post('news');
  expect(logger.logged('delivery.answered')).toHaveLength(100);
});

test('a logger with debug disabled is queried once per request, and gets no debug line', async () => {
  const recording = recordingLogger();
  let queries = 0;
  const isLevelEnabled = (level: string): boolean => {
    expect(level).toBe('debug');
    queries += 1;
    return false;
  };
  const logger: Logger = { ...recording, isLevelEnabled };
  const { post } = await subscribed({ options: { logger } });
  const queriesBefore = queries;
  await post('news');
  await post('news');
  expect(queries - queriesBefore).toBe(2);
  expect(recording.events('debug')).toEqual([]);
});
