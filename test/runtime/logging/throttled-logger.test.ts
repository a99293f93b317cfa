import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { KIND, type Logger } from '../../../src/logger.js';
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
  const summaries = lines.filter(({ message }) => message.includes('(the last of'));
  return lines.length - summaries.length + suppressedIn({ lines });
}

function suppressedIn({ lines }: Pick<RecordingLogger, 'lines'>): number {
  return lines.reduce((sum, { fields }) => sum + ('leftOut' in fields ? Number(fields['leftOut']) : 0), 0);
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
        fields: { leftOut: 599 },
        message: expect.stringMatching(/^not signed \(.*599 similar lines left out since 2030-01-01T00:00:00.000Z\)$/),
      },
      { fields: { leftOut: expect.any(Number) } },
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
        fields: { subscription: 's1', n: 2, leftOut: 2, since: '2030-01-01T00:00:00.000Z' },
        message: 'it failed (the last of 2 similar lines left out since 2030-01-01T00:00:00.000Z)',
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
      'it failed (the last of 1 similar line left out since 2030-01-01T00:00:00.000Z)',
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
    expect(output.messages('warn')).toEqual(Array.from({ length: 10 }, () => 'it failed'));
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
    [
      'with different values of the field KIND',
      (logger, n) => logger.warn({ subscription: 's1', [KIND]: `k${n}` }, 'it failed'),
    ],
    ['without a subject', (logger, n) => logger.warn({ n }, 'it failed')],
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

  it('about different events of one subscription are throttled', () => {
    const { output, logger } = setUp();
    for (let n = 0; n < 1_000; n += 1) logger.info({ event: `e${n}`, subscription: 's1' }, 'the event is kept');
    expect(output.lines).toHaveLength(1);
  });

  it('at the levels debug and fatal are all written, even if they repeat', () => {
    const { output, logger } = setUp();
    for (const level of ['debug', 'fatal'] as const) {
      for (let n = 0; n < 100; n += 1) logger[level]({ subscription: 's1', [KIND]: 'one' }, 'it is so');
      logger[level]('it is so');
    }
    expect(output.lines).toHaveLength(202);
    expect(output.lines.every(({ fields }) => Object.getOwnPropertySymbols(fields).length === 0)).toBe(true);
  });
});

describe('the kind of a line', () => {
  it.each([
    ['a number', (n: number) => `content over ${n} bytes was refused`],
    ['a time', (n: number) => `nothing was sent since ${new Date(n).toISOString()}`],
    ['a URL', (n: number) => `hub https://hub.example/${'x'.repeat(n)} does not answer`],
    ['quoted text', (n: number) => `the hub says "${'no: \\" '.repeat(n)}" and hangs up`],
    ['an id', (n: number) => `grant 0b1c-${n}-ff is over`],
    ["a hub's own words", (n: number) => `hub error: ${'really '.repeat(n)}`],
  ])('does not depend on %s in the message', (_name, message) => {
    const { output, logger } = setUp();
    for (let n = 1; n <= 50; n += 1) logger.warn({ subscription: 's1' }, message(n));
    expect(output.lines).toHaveLength(1);
  });

  it('can be set by a field, which is not written', () => {
    const { output, logger } = setUp();
    logger.warn({ subscription: 's1', [KIND]: 'one' }, 'first');
    logger.warn({ subscription: 's1', [KIND]: 'one' }, 'second');
    expect(output.lines).toEqual([{ level: 'warn', fields: { subscription: 's1' }, message: 'first' }]);
    expect(Object.getOwnPropertySymbols(output.lines[0]?.fields)).toEqual([]);
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
    expect(output.messages('warn').at(-1)).toBe('and now for something else');
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
      { level: 'warn', fields: { subscription: 's1', leftOut: 2 } },
      { level: 'info', fields: { subscription: 's1', leftOut: 2 } },
    ]);
    expect(vi.getTimerCount()).toBe(0);
    logger.flush();
    expect(output.lines).toHaveLength(4);
  });
});
