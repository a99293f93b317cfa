import { describe, expect, test } from 'vitest';
import { acknowledgementOf } from '../../../src/delivery/handler/acknowledgement.js';
import type { EventHandler } from '../../../src/delivery/handler/handlers.js';
import { runHandler } from '../../../src/delivery/handler/handler-run.js';
import type { ContentDistributionMessage } from '../../../src/delivery/message/message.js';

const withThrowingProperty = (name: string): object =>
  Object.defineProperty({}, name, {
    enumerable: true,
    get() {
      throw new Error('not now');
    },
  });

describe('acknowledgementOf', () => {
  test.each([
    ['nothing', undefined],
    ['null', null],
    ['a number', 3],
    ['something else', { rows: 3 }],
    ['headers that are null', { headers: null }],
    ['headers that are a list', { headers: ['x'] }],
    ['headers that are text', { headers: 'x: y' }],
    ['a header that is a number', { headers: { 'x-count': 3 } }],
    ['a header of numbers', { headers: { 'x-count': [3] } }],
    ['a body that is text', { body: 'done' }],
    ['headers that throw', withThrowingProperty('headers')],
    ['a header that throws', { headers: withThrowingProperty('x-a') }],
  ])('is undefined for %s', (_name, result) => {
    expect(acknowledgementOf(result)).toBeUndefined();
  });

  test('keeps the valid part of a result', () => {
    expect(acknowledgementOf({ headers: null, body: { id: '1' } })).toEqual({ body: { id: '1' } });
    expect(acknowledgementOf({ headers: { a: 'b', c: ['d', 'e'] }, body: 'x' })).toEqual({
      headers: { a: 'b', c: ['d', 'e'] },
    });
  });

  test('reads a property only once', () => {
    let reads = 0;
    const result = {
      get headers() {
        reads += 1;
        if (reads > 1) throw new Error('once only');
        return { a: 'b' };
      },
    };
    expect({ ...acknowledgementOf(result)?.headers }).toEqual({ a: 'b' });
    expect(reads).toBe(1);
  });
});

test.each([
  ['returns', (): unknown => withThrowingProperty('headers')],
  ['resolves to', (): Promise<unknown> => Promise.resolve(withThrowingProperty('headers'))],
])('a handler that %s a value whose properties throw succeeds without an acknowledgement', async (_verb, run) => {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a handler without a compiler
  const handlers = { onEventNotification: run } as EventHandler;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the handler does not read it
  const outcome = await runHandler(handlers, {} as ContentDistributionMessage);
  expect(outcome).toEqual({ type: 'done', acknowledgement: undefined });
});
