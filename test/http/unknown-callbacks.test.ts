import { expect, test } from 'vitest';
import { UnknownCallbacks } from '../../src/http/unknown-callbacks.js';
import { recordingLogger } from '../kit/recording-logger.js';

const TOKEN = 'a'.repeat(43);

function pathOf(target: string): unknown {
  const logger = recordingLogger();
  new UnknownCallbacks({ logger, now: () => 0 }).warn({ method: 'POST', target });
  const fields: { readonly path?: unknown } = { ...logger.lines[0]?.fields };
  return fields.path;
}

test('a request for an unknown callback is logged without its last segment and its query', () => {
  expect(pathOf(`/hooks/websub/${TOKEN}?hub.challenge=c`)).toBe('/hooks/websub/');
  expect(pathOf(`/websub/${TOKEN}///`)).toBe('/websub/');
});

test('a segment that looks like a token is not logged at any position', () => {
  expect(pathOf(`/websub/${TOKEN}/more`)).toBe('/websub/…/');
  expect(pathOf(`/websub/${TOKEN.replace(/^(.{20})a/, '$1%61')}/more`)).toBe('/websub/…/');
});

test('a long path is cut', () => {
  expect(pathOf(`/websub/${'a/'.repeat(9_000)}b`)).toHaveLength(200);
});

test('one request a minute is logged, with the number of suppressed lines', () => {
  const logger = recordingLogger();
  let now = 0;
  const unknownCallbacks = new UnknownCallbacks({ logger, now: () => now });
  for (let count = 0; count < 1_000; count += 1) unknownCallbacks.warn({ method: 'GET', target: '/websub/a' });
  now = 60_000;
  unknownCallbacks.warn({ method: 'GET', target: '/websub/a' });
  expect(logger.logged('callback.unknown').map(({ fields }) => fields)).toEqual([
    { method: 'GET', path: '/websub/', suppressed: 0 },
    { method: 'GET', path: '/websub/', suppressed: 999 },
  ]);
  expect(logger.events('warn')).toEqual(['callback.unknown', 'callback.unknown']);
});
