import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Logger } from '../../../src/logger.js';
import { throttledLogger, type ThrottledLogger } from '../../../src/runtime/logging/throttled-logger.js';
import { recordingLogger, type RecordingLogger } from '../../kit/recording-logger.js';

const MINUTE_MS = 60_000;
const START = Date.parse('2030-01-01T00:00:00Z');

interface SetUp {
  readonly output: RecordingLogger;
  readonly logger: ThrottledLogger;
  readonly advance: (milliseconds: number) => void;
  readonly setClock: (to: number) => void;
}

function setUp(): SetUp {
  let now = START;
  const output = recordingLogger();
  return {
    output,
    logger: throttledLogger(output, { now: () => now }),
    advance(milliseconds) {
      now += milliseconds;
      vi.advanceTimersByTime(milliseconds);
    },
    setClock: (to) => void (now = to),
  };
}

/** The number of written lines plus the suppressed lines that they count. */
function countLines({ lines }: RecordingLogger): number {
  const summaries = lines.filter(({ message }) => /\((?:the last of|delayed, from) /.test(message));
  return lines.length - summaries.length + suppressedIn({ lines });
}

function suppressedIn({ lines }: Pick<RecordingLogger, 'lines'>): number {
  return lines.reduce((sum, { fields }) => sum + ('suppressed' in fields ? Number(fields['suppressed']) : 0), 0);
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('repeated lines of a kind about a subscription', () => {
  it('are written once in full, then once a minute with the number of suppressed lines', () => {
    const { output, logger, advance } = setUp();
    for (let second = 0; second < 150; second += 1) {
      for (let n = 0; n < 10; n += 1) logger.warn({ subscription: 's1', n }, 'not signed');
      advance(1_000);
    }
    expect(output.lines).toMatchObject([
      { fields: { subscription: 's1', n: 0 }, message: 'not signed' },
      {
        fields: { suppressed: 599 },
        message: expect.stringMatching(
          /^not signed \(.*599 similar lines suppressed since 2030-01-01T00:00:00.000Z\)$/,
        ),
      },
      { fields: { suppressed: expect.any(Number) } },
    ]);
    logger.flush();
    expect(countLines(output)).toBe(1_500);
  });

  it('are counted in a line after a minute, even if no further line comes', () => {
    const { output, logger, advance } = setUp();
    for (let n = 0; n < 3; n += 1) logger.error({ subscription: 's1', n }, 'it failed');
    advance(MINUTE_MS - 1);
    expect(output.lines).toHaveLength(1);
    advance(1_001);
    expect(output.lines.slice(1)).toEqual([
      {
        level: 'error',
        fields: { subscription: 's1', n: 2, suppressed: 2, since: '2030-01-01T00:00:00.000Z' },
        message: 'it failed (the last of 2 similar lines suppressed since 2030-01-01T00:00:00.000Z)',
      },
    ]);
    advance(10 * MINUTE_MS);
    expect(output.lines).toHaveLength(2);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('are counted as soon as a line comes after a minute', () => {
    const { output, logger, setClock } = setUp();
    logger.warn({ subscription: 's1' }, 'it failed');
    logger.warn({ subscription: 's1' }, 'it failed');
    setClock(START + MINUTE_MS);
    logger.warn({ subscription: 's1', n: 3 }, 'it failed');
    expect(output.lines.map(({ message }) => message)).toEqual([
      'it failed',
      'it failed (delayed, from 2030-01-01T00:00:00.000Z)',
    ]);
    logger.flush();
    expect(countLines(output)).toBe(3);
  });

  it('are written in full if a minute lies between them', () => {
    const { output, logger, advance } = setUp();
    for (let minute = 0; minute < 10; minute += 1) {
      logger.warn({ subscription: 's1' }, 'it failed');
      advance(MINUTE_MS);
    }
    expect(output.lines.map(({ message }) => message)).toEqual(Array.from({ length: 10 }, () => 'it failed'));
  });

  it('are written again after the clock was set back', () => {
    const { output, logger, advance, setClock } = setUp();
    logger.warn({ subscription: 's1' }, 'it failed');
    setClock(START - 10 * 60 * MINUTE_MS);
    logger.warn({ subscription: 's1' }, 'it failed');
    advance(2 * MINUTE_MS);
    expect(countLines(output)).toBe(2);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('log lines', () => {
  it.each<[string, (logger: Logger, n: number) => void]>([
    ['of different subscriptions', (logger, n) => logger.warn({ subscription: `s${n}` }, 'it failed')],
    ['of different grants', (logger, n) => logger.warn({ subscription: 's1', grant: `g${n}` }, 'it failed')],
    ['of different services', (logger, n) => logger.warn({ service: `s${n}` }, 'it failed')],
    ['with different messages', (logger, n) => logger.warn({ subscription: 's1' }, `it ${'failed'.slice(0, n + 1)}`)],
    ['of different origins', (logger, n) => logger.warn({ service: 's1', origin: `https://o${n}.test` }, 'it failed')],
    ['of different methods', (logger, n) => logger.warn({ service: 's1', method: `m${n}` }, 'it failed')],
    ['with different events', (logger, n) => logger.warn({ event: `a.e${n}`, subscription: 's1' }, 'it failed')],
    ['without a subject', (logger, n) => logger.warn({ n }, 'it failed')],
    ['of one step, without a service', (logger, n) => logger.error({ event: 'a.b', step: 'close', n }, 'it failed')],
  ])('%s are all written', (_name, log) => {
    const { output, logger } = setUp();
    for (let n = 0; n < 5; n += 1) log(logger, n);
    expect(output.lines).toHaveLength(5);
    expect(suppressedIn(output)).toBe(0);
  });

  it('at the level info are all written, for any number of subscriptions', () => {
    const { output, logger } = setUp();
    for (let n = 0; n < 20_000; n += 1) logger.info({ subscription: `s${n}`, service: 'news' }, 'subscribed');
    expect(output.lines).toHaveLength(20_000);
  });

  it('about different content events of one subscription are throttled', () => {
    const { output, logger } = setUp();
    const event = 'event.retry-scheduled';
    for (let n = 0; n < 1_000; n += 1) logger.info({ event, eventId: `e${n}`, subscription: 's1' }, 'stored');
    expect(output.lines).toHaveLength(1);
  });

  it('at the levels debug and fatal are all written, even if they repeat', () => {
    const { output, logger } = setUp();
    for (const level of ['debug', 'fatal'] as const) {
      for (let n = 0; n < 100; n += 1) logger[level]({ event: 'a.b', subscription: 's1' }, 'it is so');
      logger[level]('it is so');
    }
    expect(output.lines).toHaveLength(202);
    expect(suppressedIn(output)).toBe(0);
  });
});

describe('the kind of a line', () => {
  it('is its event, whatever the message says', () => {
    const { output, logger } = setUp();
    for (let n = 1; n <= 50; n += 1) {
      logger.warn({ event: 'hub.error', subscription: 's1' }, `hub reported an error: ${'really '.repeat(n)}`);
    }
    expect(output.lines).toMatchObject([{ event: 'hub.error', fields: { subscription: 's1' } }]);
    logger.warn({ event: 'handler.failed', subscription: 's1' }, 'hub reported an error: really ');
    expect(output.events('warn')).toEqual(['hub.error', 'handler.failed']);
  });

  it('is the whole message if the line has no event', () => {
    const { output, logger } = setUp();
    for (const message of ['read 1 row', 'read 2 rows', 'read 1 row', 'read 2 rows']) logger.warn(message);
    for (let n = 1; n <= 50; n += 1) logger.warn({ subscription: 's1' }, n % 2 === 0 ? 'it failed' : 'it failed: why');
    const written = output.lines.filter(({ fields }) => 'subscription' in fields);
    expect(written.map(({ message }) => message)).toEqual(['it failed: why', 'it failed']);
    expect(output.lines).toHaveLength(6);
  });

  it('differs between levels', () => {
    const { output, logger } = setUp();
    for (const level of ['info', 'warn', 'error'] as const) logger[level]({ event: 'a.b', subscription: 's1' }, 'it');
    expect(output.lines.map(({ level }) => level)).toEqual(['info', 'warn', 'error']);
  });
});

describe('lines of one kind about many subscriptions', () => {
  it.each(['warn', 'error'] as const)('are written in a burst at the level %s, then once a minute', (level) => {
    const { output, logger, advance } = setUp();
    let logged = 0;
    for (let minute = 0; minute < 10; minute += 1) {
      for (let n = 0; n < 5_000; n += 1) logger[level]({ subscription: `s${minute}-${n}` }, 'it failed');
      logged += 5_000;
      advance(MINUTE_MS);
    }
    expect(output.lines.length).toBeGreaterThanOrEqual(24 + 9);
    expect(output.lines.length).toBeLessThanOrEqual(24 + 11);
    logger.flush();
    expect(countLines(output)).toBe(logged);
  });

  it('are written in a new burst after a quiet time', () => {
    const { output, logger, advance } = setUp();
    for (let n = 0; n < 100; n += 1) logger.warn({ subscription: `s${n}` }, 'it failed');
    advance(MINUTE_MS);
    advance(30 * MINUTE_MS);
    const writtenBefore = output.lines.length;
    for (let n = 0; n < 100; n += 1) logger.warn({ subscription: `s${n}` }, 'it failed');
    expect(output.lines.length - writtenBefore).toBe(24);
  });

  it('are written once a minute, even if each subscription repeats its line', () => {
    const { output, logger, advance } = setUp();
    for (let second = 0; second < 600; second += 1) {
      for (let n = 0; n < 500; n += 1) logger.warn({ subscription: `s${n}` }, 'it failed');
      advance(1_000);
    }
    expect(output.lines.length).toBeLessThanOrEqual(24 + 11);
    logger.flush();
    expect(countLines(output)).toBe(600 * 500);
  });

  it('do not suppress lines of another kind', () => {
    const { output, logger } = setUp();
    for (let n = 0; n < 1_000; n += 1) logger.warn({ subscription: `s${n}` }, 'it failed');
    logger.warn({ subscription: 's1' }, 'and now for something else');
    expect(output.lines.at(-1)?.message).toBe('and now for something else');
  });
});

describe('a line that already counts suppressed lines', () => {
  const event = 'delivery.rejected';

  it('is written unchanged if none were suppressed here', () => {
    const { output, logger } = setUp();
    logger.warn({ event, subscription: 's1', suppressed: 4 }, 'content rejected');
    expect(output.lines).toEqual([
      { level: 'warn', event, fields: { subscription: 's1', suppressed: 4 }, message: 'content rejected' },
    ]);
  });

  it('adds them to the count of its kind, whether it is written or suppressed', () => {
    const { output, logger, setClock } = setUp();
    const since = new Date(START).toISOString();
    logger.warn({ event, subscription: 's1', suppressed: 0 }, 'content rejected');
    for (const suppressed of [3, 0]) logger.warn({ event, subscription: 's1', suppressed }, 'content rejected');
    setClock(START + MINUTE_MS);
    // The first summary has both suppressed lines, and the three that the first of them counts.
    logger.warn({ event, subscription: 's1', suppressed: 7 }, 'content rejected');
    logger.flush();
    expect(output.lines.slice(1)).toEqual([
      {
        level: 'warn',
        event,
        fields: { subscription: 's1', suppressed: 5, since },
        message: `content rejected (the last of 5 similar lines suppressed since ${since})`,
      },
      {
        level: 'warn',
        event,
        fields: { subscription: 's1', suppressed: 8, since: new Date(START + MINUTE_MS).toISOString() },
        message: expect.stringContaining('8 similar lines suppressed'),
      },
    ]);
  });

  it('adds them to its own count if it is written after suppressed lines', () => {
    const { output, logger, setClock } = setUp();
    logger.warn({ event, subscription: 's1', suppressed: 0 }, 'content rejected');
    // Suppressed so late that the next line comes before the summary.
    setClock(START + MINUTE_MS - 500);
    logger.warn({ event, subscription: 's1', suppressed: 3 }, 'content rejected');
    setClock(START + MINUTE_MS + 200);
    logger.warn({ event, subscription: 's1', suppressed: 7 }, 'content rejected');
    const since = new Date(START + MINUTE_MS - 500).toISOString();
    expect(output.lines.slice(1)).toEqual([
      {
        level: 'warn',
        event,
        fields: { subscription: 's1', suppressed: 11, since },
        message: `content rejected (11 similar lines suppressed since ${since})`,
      },
    ]);
  });
});

describe('suppressed lines', () => {
  it('are tracked for a limited number of subscriptions, and all are counted', () => {
    const { output, logger } = setUp();
    for (let n = 0; n < 30_000; n += 1) {
      logger.info({ subscription: `s${n}` }, 'subscribed');
      logger.info({ subscription: `s${n}` }, 'subscribed');
    }
    const writtenBefore = output.lines.length;
    logger.flush();
    expect(countLines(output)).toBe(60_000);
    // Not one line for each subscription.
    expect(output.lines.length - writtenBefore).toBeLessThan(30);
  });

  it('are logged by a flush, which leaves no timer', () => {
    const { output, logger } = setUp();
    for (let n = 0; n < 3; n += 1) {
      logger.warn({ subscription: 's1' }, 'it failed');
      logger.info({ subscription: 's1' }, 'subscribed');
    }
    logger.flush();
    expect(output.lines.slice(2)).toMatchObject([
      { level: 'warn', fields: { subscription: 's1', suppressed: 2 } },
      { level: 'info', fields: { subscription: 's1', suppressed: 2 } },
    ]);
    expect(vi.getTimerCount()).toBe(0);
    logger.flush();
    expect(output.lines).toHaveLength(4);
  });
});
