import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, test } from 'vitest';
import { writeLine } from '../src/log-definition.js';
import { log, LOG_EVENTS, type LogEvent } from '../src/log-events.js';
import type { LogLevel } from '../src/logger.js';
import { recordingLogger } from './kit/recording-logger.js';

const root = fileURLToPath(new URL('../src/', import.meta.url));

/** Values of a field, which choose the variants of a message. */
const VALUES: readonly unknown[] = [
  'https://hub.example',
  'begin',
  'timer',
  'lmdb://store',
  1,
  3_600,
  true,
  false,
  undefined,
];

/** Fields that all have the same value. */
const fieldsWith = (value: unknown): object => new Proxy({}, { get: () => value });

const EVENTS = Object.entries<{ level: LogLevel; message: unknown }>(LOG_EVENTS);

/** The messages of an event, for fields with various values. */
function messagesOf(message: unknown): readonly string[] {
  if (typeof message !== 'function') throw new Error('The event has no message.');
  return [...new Set(VALUES.map((value) => String(Reflect.apply(message, undefined, [fieldsWith(value)]))))];
}

describe('the log events', () => {
  it.each(EVENTS)('%s is named by a subject and what happened to it, in lower case', (event) => {
    expect(event).toMatch(/^[a-z]+(-[a-z]+)*\.[a-z]+(-[a-z]+)*$/);
  });

  it.each(EVENTS)(
    '%s has a message that is short, starts in lower case, and has no period at its end',
    (_event, definition) => {
      for (const message of messagesOf(definition.message)) {
        expect(message).toMatch(/^(?:[a-z]|Redis )/);
        expect(message).not.toMatch(/[.\s]$/);
        expect(message.length).toBeLessThanOrEqual(200);
      }
    },
  );
});

describe('log()', () => {
  it.each(EVENTS)('writes %s at its level, with the event and all fields but `detail`', (event, { level }) => {
    const logger = recordingLogger();
    Reflect.apply(log, undefined, [logger, event, { subscription: 's1', suppressed: 0, detail: 'why' }]);
    expect(logger.lines).toMatchObject([{ level, event, fields: { subscription: 's1', suppressed: 0 } }]);
    expect(logger.lines[0]?.fields).not.toHaveProperty('detail');
  });

  it('puts `detail` into the message', () => {
    const logger = recordingLogger();
    log(logger, 'hub.error', { subscription: 's1', hub: 'https://hub.example/', topic: 'urn:a', detail: 'on fire' });
    expect(logger.lines[0]?.message).toContain('on fire');
  });

  it('writes the event before the other fields, and needs no fields', () => {
    const names: string[][] = [];
    const note = (fields: object | string): void => void names.push(Object.keys(fields));
    const logger = { debug: note, info: note, warn: note, error: note, fatal: note };
    log(logger, 'handler.slow', { service: 'News', subscription: 's1', eventId: 'e1', ackAfterMs: 5, suppressed: 0 });
    log(logger, 'runtime.stopped');
    expect(names).toEqual([['event', 'service', 'subscription', 'eventId', 'ackAfterMs', 'suppressed'], ['event']]);
  });
});

/** The message that an event has with these fields. */
function messageWith(event: LogEvent, fields: object): string {
  const logger = recordingLogger();
  writeLine(logger, event, LOG_EVENTS[event], fields);
  return logger.lines[0]?.message ?? '';
}

test.each<[LogEvent, object, RegExp]>([
  ['secret.not-used', { needsPermission: true }, /secret: 'auto' and security\.allowInsecureSecret for/],
  ['secret.not-used', { needsPermission: false }, /secret: 'auto' for/],
  ['subscription.callback-changed', { isOldAccepted: true }, /accepting content at the old one/],
  ['subscription.callback-changed', { isOldAccepted: false }, /may send to the old one/],
  ['shutdown.server-closed', { isWaiting: true }, /closed before hubs verified/],
  ['shutdown.server-closed', { isWaiting: false }, /does not listen/],
  ['shutdown.hub-not-verified', { isServerGiven: true }, /await runtime\.stop\(\)/],
  ['shutdown.hub-not-verified', { isServerGiven: false }, /lease ends$/],
  ['subscription.due-failed', { retriedBy: 'timer' }, /1 min/],
  ['subscription.due-failed', { retriedBy: 'sweep' }, /next sweep/],
  ['event.result-not-stored', { isStopping: true }, /next start/],
  ['event.result-not-stored', { isStopping: false }, /1 min/],
  ['requests.deferred', { until: 'begin' }, /runtime\.begin\(\)/],
  ['requests.deferred', { until: 'listening' }, /server listens/],
  ['declared.orphaned', { unsubscribed: true, detail: 'x' }, /; unsubscribing: x$/],
  ['declared.orphaned', { unsubscribed: false, detail: 'x' }, /still subscribed; .*: x$/],
])('the message of %s with %j says so', (event, fields, expected) => {
  expect(messageWith(event, fields)).toMatch(expected);
});

test('all lines of src are written by log()', () => {
  const ownsLines = (file: string): boolean =>
    file === 'log-definition.ts' ||
    file === 'log-events.ts' ||
    file === 'logger.ts' ||
    file.startsWith('runtime/logging/');
  const calls = readdirSync(root, { recursive: true, encoding: 'utf8' })
    .map((file) => file.split(sep).join('/'))
    .filter((file) => file.endsWith('.ts') && !ownsLines(file))
    .flatMap((file) => {
      const text = readFileSync(join(root, file), 'utf8');
      const found = text.matchAll(
        /logger\??\.?(?:\.(?:debug|info|warn|error|fatal)\b|\[)|\bwriteLine\(|\b(?:debug|info|warn|error|fatal)\b[^}]*\} = (?:this\.#)?\w*logger\b/gi,
      );
      return [...found].map(([call]) => `${file}: ${call}`);
    });
  expect(calls).toEqual([]);
});
