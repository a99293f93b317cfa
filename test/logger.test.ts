import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { shouldLogDebug, silentLogger, safeLogger, type Logger } from '../src/logger.js';
import { throws } from './kit/throws.js';

function pinoInto(lines: unknown[]): Logger {
  return safeLogger(pino({ level: 'debug' }, { write: (line: string) => void lines.push(JSON.parse(line)) }));
}

test('the wrapped logger receives the arguments unchanged', () => {
  const calls: unknown[] = [];
  const recordCall =
    (level: string) =>
    (...args: unknown[]): void =>
      void calls.push([level, ...args]);
  const logger = safeLogger({
    debug: recordCall('debug'),
    info: recordCall('info'),
    warn: recordCall('warn'),
    error: recordCall('error'),
    fatal: recordCall('fatal'),
  });
  const fields = { a: 1 };
  for (const level of ['debug', 'info', 'warn', 'error', 'fatal'] as const) logger[level](fields, 'what');
  logger.info('alone');
  expect(calls).toEqual([
    ['debug', fields, 'what'],
    ['info', fields, 'what'],
    ['warn', fields, 'what'],
    ['error', fields, 'what'],
    ['fatal', fields, 'what'],
    ['info', 'alone'],
  ]);
});

test.each<[string, unknown, string]>([
  ['is frozen', Object.freeze(new TypeError('no paper')), 'TypeError: no paper'],
  [
    'has a field that throws',
    Object.defineProperty(new Error('no paper'), 'size', { enumerable: true, get: () => throws(new Error('hush')) }),
    'Error: no paper',
  ],
  [
    'cannot be read at all',
    Object.defineProperty(new Error(), 'message', { get: () => throws(new Error('hush')) }),
    'something that cannot be logged',
  ],
])('an error that %s is logged as text', (_case, err, words) => {
  const lines: unknown[] = [];
  pinoInto(lines).error({ event: 'handler.failed', err }, 'handler failed');
  expect(lines).toMatchObject([{ level: 50, event: 'handler.failed', err: words, msg: 'handler failed' }]);
});

test('a logger that throws, as on a full disk, does not fail the caller', () => {
  const failing = (): never => throws(new Error('ENOSPC: no space left on device, write'));
  const logger = safeLogger({ debug: failing, info: failing, warn: failing, error: failing, fatal: failing });
  expect(() => logger.error({ err: new Error('no') }, 'lost')).not.toThrow();
  expect(() => logger.info('lost')).not.toThrow();
});

test('a rejected promise of an asynchronous logger is ignored', async () => {
  const rejections: unknown[] = [];
  const onRejection = (reason: unknown): void => void rejections.push(reason);
  process.on('unhandledRejection', onRejection);
  onTestFinished(() => void process.off('unhandledRejection', onRejection));
  const failing = (): unknown => Promise.reject(new Error('the disk is full'));
  const logger = safeLogger({ debug: failing, info: failing, warn: failing, error: failing, fatal: failing });
  logger.error({ a: 1 }, 'what');
  logger.info('what');
  await new Promise(setImmediate);
  expect(rejections).toEqual([]);
});

test.each<[string, object, boolean]>([
  ['disables debug', { isLevelEnabled: () => false }, false],
  ['enables debug', { isLevelEnabled: () => true }, true],
  ['has no isLevelEnabled', {}, true],
  ['has an isLevelEnabled that throws', { isLevelEnabled: () => throws(new Error('no')) }, true],
  ['has an isLevelEnabled that is not a function', { isLevelEnabled: 30 }, true],
])('shouldLogDebug() for a logger that %s (%j) is %s', (_case, overrides, expected) => {
  expect(
    shouldLogDebug(safeLogger(Object.assign(pino({ level: 'info' }), { isLevelEnabled: undefined }, overrides))),
  ).toBe(expected);
});

test('the pino level decides whether debug lines are created, and the silent logger creates none', () => {
  expect(shouldLogDebug(safeLogger(pino({ level: 'info' })))).toBe(false);
  expect(shouldLogDebug(safeLogger(pino({ level: 'debug' })))).toBe(true);
  expect(shouldLogDebug(silentLogger)).toBe(false);
});
