import { Writable } from 'node:stream';
import { pino } from 'pino';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { DeadLetter, SubscriberHandlers } from 'websub-subscriber';
import { FakeWorld } from '../../kit/fake-world.js';
import { untilIdle } from '../../kit/until-idle.js';
import { startSubscriber } from '../../kit/start-subscriber.js';
import { throws } from '../../kit/throws.js';

const revoked = (): object => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
};
const withGetter = (field: string): Error =>
  Object.defineProperty(new Error('out of paper'), field, { enumerable: true, get: () => throws(new Error('hush')) });
/** Adds a `then`, which an `await` calls. */
// oxlint-disable-next-line unicorn/no-thenable -- the test needs a thenable
const withThen = (target: object, then: PropertyDescriptor): object => Object.defineProperty(target, 'then', then);
const throwOutOfPaper = (): never => throws(new Error('out of paper'));

/** Odd results of JavaScript handlers, each with the message of its dead letter; undefined if it is not a failure. */
const ODD_HANDLERS: readonly (readonly [what: string, run: () => unknown, message: string | undefined])[] = [
  ['throws an error', () => throws(new Error('out of paper')), 'out of paper'],
  ['rejects with an error', () => Promise.reject(new Error('out of paper')), 'out of paper'],
  ['throws a string', () => throws('out of paper'), 'out of paper'],
  ['throws undefined', () => throws(undefined), 'undefined'],
  ['rejects with null', () => Promise.reject(null), 'null'],
  ['throws a symbol', () => throws(Symbol('paper')), 'Symbol(paper)'],
  ['throws an error without a message', () => throws(new TypeError()), 'TypeError'],
  ['throws several errors', () => throws(new AggregateError([new Error('paper'), new Error('ink')])), 'paper; ink'],
  [
    'throws an error with a message that is not a string',
    () => throws(Object.assign(new Error('no'), { message: Symbol('paper') })),
    'Symbol(paper)',
  ],
  [
    'throws an object with a toString that throws',
    () => throws({ toString: () => throws(new Error('hush')) }),
    'the thrown value cannot be converted to text',
  ],
  ['throws a frozen object', () => throws(Object.freeze({ paper: 0 })), '[object Object]'],
  ['throws a frozen error', () => throws(Object.freeze(new Error('out of paper'))), 'out of paper'],
  ['rejects with a frozen error', () => Promise.reject(Object.freeze(new Error('out of paper'))), 'out of paper'],
  ['throws an error with a field that throws', () => throws(withGetter('paper')), 'out of paper'],
  ['throws an error with a stack that throws', () => throws(withGetter('stack')), 'out of paper'],
  [
    'throws an error with a message that throws',
    () => throws(withGetter('message')),
    'the thrown value cannot be converted to text',
  ],
  ['throws a revoked proxy', () => throws(revoked()), 'the thrown value cannot be converted to text'],
  [
    'returns a thenable that rejects',
    () => withThen({}, { value: (_done: unknown, fail: (error: Error) => void) => fail(new Error('out of paper')) }),
    'out of paper',
  ],
  ['returns a thenable with a `then` that throws', () => withThen({}, { value: throwOutOfPaper }), 'out of paper'],
  ['returns an object with an unreadable `then`', () => withThen({}, { get: throwOutOfPaper }), 'out of paper'],
  [
    'returns a promise with a `then` that throws',
    () => withThen(Promise.resolve(), { value: throwOutOfPaper }),
    undefined,
  ],
  [
    'returns a promise with a `then` that does nothing',
    () => withThen(Promise.resolve(), { value: () => {} }),
    undefined,
  ],
  ['returns a revoked proxy', revoked, "Cannot perform 'has' on a proxy that has been revoked"],
  ['returns a function', () => () => throws(new Error('hush')), undefined],
  ['returns a string', () => 'done', undefined],
  ['returns an object that is not an acknowledgement', () => ({ headers: 7, body: [Symbol('a')] }), undefined],
  ['returns an error', () => new Error('hush'), undefined],
];

/** A real logger. It reads the fields, and adds each line to a list. */
function pinoInto(lines: string[]) {
  const stream = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      done();
    },
  });
  return pino({ level: 'warn' }, stream);
}

describe.each(['inline', 'queued'] as const)('in %s mode, a handler that', (mode) => {
  test.each(ODD_HANDLERS)(
    'C7 %s leads to 202, and a failure is retried and then shown by a dead letter',
    async (...odd) => {
      const [, run, message] = odd;
      const lines: string[] = [];
      const attempts: number[] = [];
      const unhandled: unknown[] = [];
      const note = (error: unknown): void => void unhandled.push(error);
      process.on('unhandledRejection', note);
      onTestFinished(() => void process.off('unhandledRejection', note));
      // A handler in JavaScript, without the compiler's checks.
      const handlers: Pick<SubscriberHandlers, 'onEventNotification'> = Object.assign(
        { onEventNotification: () => {} },
        {
          onEventNotification: ({ attempt }: { attempt: number }) => {
            attempts.push(attempt);
            return run();
          },
        },
      );
      const world = new FakeWorld();
      const subscriber = await startSubscriber((event) => handlers.onEventNotification(event), {
        world,
        delivery: { mode, retryForSeconds: 1 },
        options: { logger: pinoInto(lines) },
      });
      const hookErrors: unknown[] = [];
      subscriber.runtime.hooks.on('handler-error', ({ error }) => void hookErrors.push(error));
      expect((await subscriber.publish()).status).toBe(202);
      await untilIdle();
      world.advance(1_000);
      await untilIdle();
      const deadLetters: DeadLetter[] = [];
      for await (const letter of subscriber.runtime.deadLetters) deadLetters.push(letter);
      const isFailure = message !== undefined;
      expect(attempts).toEqual(isFailure ? [1, 2] : [1]);
      expect(deadLetters.map(({ errors }) => errors.map((error) => error.message))).toEqual(
        isFailure ? [[message, message]] : [],
      );
      expect(subscriber.store.events).toHaveLength(isFailure ? 1 : 0);
      expect(hookErrors.map((error) => error instanceof Error)).toEqual(isFailure ? [true, true] : []);
      // The second failure comes within a minute, so its line is suppressed and counted.
      expect(lines.filter((line) => line.includes('"event":"handler.failed"'))).toHaveLength(isFailure ? 1 : 0);
      expect((await subscriber.publish()).status, 'the next event is accepted').toBe(202);
      await untilIdle();
      expect(unhandled).toEqual([]);
    },
  );
});
