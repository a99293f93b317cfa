import { pino } from 'pino';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { loggerFrom } from '../../../src/runtime/logging/default-logger.js';
import { callbackKey } from '../../../src/subscription/registry/callback-key.js';
import { deferred } from '../../kit/deferred.js';
import { SECRET, subscribed, verification } from '../../kit/subscribed.js';
import { untilIdle } from '../../kit/until-idle.js';

const NOTICES = [
  ['denied', 'onSubscriptionValidationDenied'],
  ['hub-error', 'onHubError'],
] as const;

describe('a hub notice whose handler hangs', () => {
  test.each(NOTICES)('is answered 200 after ackAfterMs, and not earlier (%s)', async (mode, handler) => {
    const handlerCall = deferred();
    const hang = (): Promise<void> => {
      handlerCall.resolve();
      return new Promise(() => {});
    };
    const { sendGet } = await subscribed({
      config: { delivery: { ackAfterMs: 2_000 } },
      handlers: { [handler]: hang },
    });
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    onTestFinished(() => void vi.useRealTimers());
    let status: number | undefined;
    const answered = sendGet({ 'hub.mode': mode, 'hub.reason': 'no' }).then((answer) => (status = answer.status));
    await handlerCall.promise;
    await vi.advanceTimersByTimeAsync(1_999);
    await untilIdle();
    expect(status).toBeUndefined();
    await vi.advanceTimersByTimeAsync(1);
    expect(await answered).toBe(200);
  });
});

describe('the reason of a hub', () => {
  test('never shows a bearer token that a function returned', async () => {
    const errors: Error[] = [];
    const { sendGet, logger } = await subscribed({
      config: { httpConfig: { auth: { bearer: () => 'a-t0ken-of-the-hour' } } },
      handlers: { onSubscriptionValidationDenied: (error: Error) => void errors.push(error) },
    });
    await sendGet({ 'hub.mode': 'denied', 'hub.reason': 'you sent Bearer a-t0ken-of-the-hour' });
    expect(errors[0]?.message).toBe('you sent Bearer [redacted]');
    expect(logger.lines.map(({ message }) => message).join()).not.toContain('t0ken');
  });

  test.each(NOTICES)('is cut, cannot forge a log line, and reveals no secret (%s)', async (mode, handler) => {
    const errors: Error[] = [];
    const { sendGet, callback, logger, snapshot } = await subscribed({
      handlers: { [handler]: (error: Error) => void errors.push(error) },
    });
    const token = callbackKey(callback);
    const reason = `gone\r\n{"level":60}\u001B[31m ${callback} ${SECRET} ${'y'.repeat(8_000)}`;
    const escaped = String.raw`gone\r\n{"level":60}\u001b[31m `;
    await sendGet({ 'hub.mode': mode, 'hub.reason': reason });
    const message = errors[0]?.message ?? '';
    expect(message.slice(0, escaped.length)).toBe(escaped);
    expect(message.slice(escaped.length)).toMatch(/^\[redacted\] \[redacted\] y+…$/);
    // 256 characters and the ellipsis. Escaping adds two characters for the line break, and five for ESC.
    expect(message.length).toBe(256 + 1 + 2 + 5);
    const storedMessage = mode === 'denied' ? (await snapshot()).lastError?.message : message;
    expect(storedMessage).toBe(message);
    const lines = logger.lines.map((line) => line.message).join('\n');
    expect(lines).not.toContain(token);
    expect(lines).not.toContain('yyyyy'.repeat(400));
  });

  test('counts as missing if it has only control characters', async () => {
    const messages: string[] = [];
    const { sendGet } = await subscribed({ handlers: { onHubError: ({ message }) => void messages.push(message) } });
    await sendGet({ 'hub.mode': 'hub-error', 'hub.reason': '\n\u0000 ' });
    expect(messages).toEqual(['the hub gave no reason']);
  });
});

describe('a hub that echoes values of the service', () => {
  const config = {
    httpConfig: { auth: { username: 'me', password: 'open sesame' }, headers: { 'X-Header': 'header-value' } },
    discoveryConfig: { httpConfig: { auth: { bearer: 'bearer-token' }, headers: { Cookie: 'session=cookie-value' } } },
    customHeaders: { 'X-Custom': 'custom-header' },
    customParams: { key: 'custom-param', mode: 'fast' },
  };
  const configuredValues = [
    'open sesame',
    'header-value',
    'bearer-token',
    'cookie-value',
    'custom-header',
    'custom-param',
  ];
  const basicCredentials = Buffer.from('me:open sesame').toString('base64');

  test.each(NOTICES)('is quoted without those values (%s)', async (mode, handler) => {
    const errors: Error[] = [];
    const { sendGet, logger, snapshot } = await subscribed({
      config,
      handlers: { [handler]: (error: Error) => void errors.push(error) },
    });
    const encodedValues = [
      basicCredentials,
      encodeURIComponent('open sesame'),
      Buffer.from('custom-param').toString('hex'),
    ];
    const reason = `fast: ${[...configuredValues, ...encodedValues].join(' | ')}`;
    expect((await sendGet({ 'hub.mode': mode, 'hub.reason': reason })).status).toBe(200);
    expect(errors[0]?.message).toBe(`fast: ${'[redacted] | '.repeat(8)}[redacted]`);
    const output = JSON.stringify([await snapshot(), logger.lines]);
    for (const value of [...configuredValues, ...encodedValues]) expect(output).not.toContain(value);
  });
});

describe('the headers that a verification handler returns', () => {
  test.each([null, 'x: y', ['x'], { x: 3 }])('are ignored if they are %o', async (headers) => {
    const returned: unknown = { headers };
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- an untyped handler
    const nonsense = () => returned as { headers: Record<string, string> };
    const { sendGet, topic, logger } = await subscribed({ handlers: { onSubscriptionVerification: nonsense } });
    const answer = await sendGet(verification(topic.url));
    expect(answer).toMatchObject({ status: 200, body: 'c9+/=' });
    expect(logger.events('error')).toEqual([]);
  });
});

test('the default log never shows a callback, even if handlers throw the error that they get', async () => {
  const logger = loggerFrom(undefined, 'debug');
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the stream that pino writes to
  const stream = Reflect.get(logger, pino.symbols.streamSym) as { write(line: string): void };
  const lines: string[] = [];
  vi.spyOn(stream, 'write').mockImplementation((line) => void lines.push(line));
  const rethrow = (error: Error): never => {
    throw error;
  };
  const valuesInError: string[] = [];
  const { sendGet, post, callback, hub, runtime } = await subscribed({
    options: { logger },
    config: { delivery: { retryForSeconds: 0 } },
    handlers: {
      onEventNotification() {
        throw new Error('not today');
      },
      onHubError(error) {
        valuesInError.push(error.grant.callback, error.subscription.id);
        throw error;
      },
      onSubscriptionValidationDenied: rethrow,
    },
  });
  runtime.hooks.on('hub-error', ({ error }) => rethrow(error ?? new Error('none')));
  await post('news');
  await post('news', { 'X-Hub-Signature': 'sha256=00' });
  await sendGet({ 'hub.mode': 'hub-error', 'hub.reason': `no database for ${callback}` });
  await sendGet({ 'hub.mode': 'denied', 'hub.reason': `go away, ${callback}` });
  await hub.settled();
  await runtime.stop();
  const log = lines.join('');
  expect(valuesInError[0]).toBe(callback);
  expect(log).toContain('"event":"handler.failed"');
  expect(log).toContain('"event":"hook.failed"');
  expect(log).toContain('ERR_WEBSUB_DENIED');
  expect(log).not.toContain(callbackKey(callback));
});
