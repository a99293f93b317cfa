import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import { loadPackages } from '../../../src/runtime/lifecycle/load-packages.js';
import { recordingLogger } from '../../kit/recording-logger.js';
import { testContext } from '../../kit/test-context.js';

const { cache } = createRequire(import.meta.url);

test('one package is loaded per turn of the event loop, so that other work can run in between', async () => {
  const order: string[] = [];
  const turn = (left: number): void => {
    order.push('turn');
    if (left > 0) setImmediate(turn, left - 1);
  };
  setImmediate(turn, 2);
  const load = (name: string) => () => order.push(name);
  await loadPackages(testContext(), ['a', 'b', 'c'].map(load));
  expect(order).toEqual(['a', 'turn', 'b', 'turn', 'c', 'turn']);
});

test('a package that cannot be loaded is logged, and the others are loaded', async () => {
  const logger = recordingLogger();
  const loaded: string[] = [];
  const failing = (): never => {
    throw new Error('too many open files');
  };
  const rejecting = (): Promise<never> => Promise.reject(new Error('gone'));
  await loadPackages(testContext({ logger }), [failing, rejecting, () => loaded.push('last')]);
  expect(loaded).toEqual(['last']);
  expect(logger.lines).toMatchObject([
    { level: 'error', event: 'package.load-failed', fields: { err: { message: 'too many open files' } } },
    { level: 'error', event: 'package.load-failed', fields: { err: { message: 'gone' } } },
  ]);
});

test('no more packages are loaded once the runtime stops', async () => {
  const context = testContext();
  const loaded: string[] = [];
  await loadPackages(context, [() => context.closing.begin(), () => loaded.push('too late')]);
  expect(loaded).toEqual([]);
});

test('the HTTP parser of undici is loaded too, before the first connection needs it', async () => {
  const logger = recordingLogger();
  const isParser = (path: string): boolean => path.includes('/undici/lib/llhttp/llhttp');
  expect(Object.keys(cache).some(isParser)).toBe(false);
  await loadPackages(testContext({ logger }));
  expect(Object.keys(cache).some(isParser)).toBe(true);
  expect(logger.lines).toEqual([]);
});
