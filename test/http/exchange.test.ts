import { describe, expect, test } from 'vitest';
import type { CallbackAnswer } from '../../src/http/answer.js';
import type { CallbackRequest } from '../../src/http/callback-request.js';
import { Exchange } from '../../src/http/exchange.js';
import { recordingLogger } from '../kit/recording-logger.js';

const REQUEST: CallbackRequest = {
  method: 'POST',
  target: '/websub/x',
  header: () => undefined,
  headers: () => () => [],
  read: () => {},
};
const ANSWER: CallbackAnswer = { status: 202, headers: {}, body: '' };
const UNAVAILABLE = { status: 503, headers: { 'retry-after': '120' } };

function createExchange(): { exchange: Exchange; sent: CallbackAnswer[]; lines: readonly unknown[] } {
  const logger = recordingLogger();
  const sent: CallbackAnswer[] = [];
  return { exchange: new Exchange(logger, REQUEST, (answer) => sent.push(answer)), sent, lines: logger.lines };
}

describe('the answer to a request on a callback', () => {
  test('is sent synchronously if it is available synchronously', () => {
    const { exchange, sent } = createExchange();
    exchange.answer(() => ANSWER);
    expect(sent).toEqual([ANSWER]);
  });

  test('is sent when its promise resolves', async () => {
    const { exchange, sent } = createExchange();
    exchange.answer(() => Promise.resolve(ANSWER));
    expect(sent).toEqual([]);
    await Promise.resolve();
    expect(sent).toEqual([ANSWER]);
  });

  test.each<[failure: string, run: (exchange: Exchange) => void]>([
    ['throws', (exchange) => exchange.answer(() => raise())],
    ['rejects', (exchange) => exchange.answer(() => Promise.reject(new Error('broken')))],
    ['throws before the body is read', (exchange) => exchange.run(() => raise())],
  ])('is 503 if its code %s, and the error is logged', async (_case, run) => {
    const { exchange, sent, lines } = createExchange();
    run(exchange);
    await Promise.resolve();
    expect(sent).toMatchObject([UNAVAILABLE]);
    expect(lines).toMatchObject([
      { level: 'error', event: 'callback.failed', fields: { method: 'POST', err: new Error('broken') } },
    ]);
  });
});

function raise(): never {
  throw new Error('broken');
}
