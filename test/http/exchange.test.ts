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
const FAILED = { status: 503, headers: { 'retry-after': '120' } };

function exchanged(): { exchange: Exchange; sent: CallbackAnswer[]; lines: readonly unknown[] } {
  const logger = recordingLogger();
  const sent: CallbackAnswer[] = [];
  return { exchange: new Exchange(logger, REQUEST, (answer) => sent.push(answer)), sent, lines: logger.lines };
}

describe('the answer to a request on a callback', () => {
  test('that is there is sent in the same turn', () => {
    const { exchange, sent } = exchanged();
    exchange.answer(() => ANSWER);
    expect(sent).toEqual([ANSWER]);
  });

  test('that is waited for is sent when it is there', async () => {
    const { exchange, sent } = exchanged();
    exchange.answer(() => Promise.resolve(ANSWER));
    expect(sent).toEqual([]);
    await Promise.resolve();
    expect(sent).toEqual([ANSWER]);
  });

  test.each<[how: string, run: (exchange: Exchange) => void]>([
    ['throws', (exchange) => exchange.answer(() => raise())],
    ['rejects', (exchange) => exchange.answer(() => Promise.reject(new Error('broken')))],
    ['throws before anything was read', (exchange) => exchange.run(() => raise())],
  ])('is 503 where what makes it %s, which is logged', async (_, run) => {
    const { exchange, sent, lines } = exchanged();
    run(exchange);
    await Promise.resolve();
    expect(sent).toMatchObject([FAILED]);
    expect(lines).toMatchObject([{ level: 'error', fields: { method: 'POST', err: new Error('broken') } }]);
  });
});

function raise(): never {
  throw new Error('broken');
}
