import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { KIND, type Logger } from '../../../src/logger.js';
import { throttledLogger, type ThrottledLogger } from '../../../src/runtime/logging/throttled-logger.js';
import { recordingLogger, type RecordingLogger } from '../../kit/recording-logger.js';

const MINUTE_MS = 60_000;
const START = Date.parse('2030-01-01T00:00:00Z');

interface World {
  readonly given: RecordingLogger;
  readonly logger: ThrottledLogger;
  readonly pass: (milliseconds: number) => void;
  readonly setClock: (to: number) => void;
}

function world(): World {
  let now = START;
  const given = recordingLogger();
  return {
    given,
    logger: throttledLogger(given, { now: () => now }),
    pass(milliseconds) {
      now += milliseconds;
      vi.advanceTimersByTime(milliseconds);
    },
    setClock: (to) => void (now = to),
  };
}

/** Lines written, and lines that these say were left out. */
function accounted({ lines }: RecordingLogger): number {
  const summaries = lines.filter(({ message }) => message.includes('(the last of'));
  return lines.length - summaries.length + leftOut({ lines });
}

function leftOut({ lines }: Pick<RecordingLogger, 'lines'>): number {
  return lines.reduce((sum, { fields }) => sum + ('leftOut' in fields ? Number(fields.leftOut) : 0), 0);
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('repeated lines of a kind for a subscription', () => {
  it('are the first in full, then one a minute with the number of those left out', () => {
    const { given, logger, pass } = world();
    for (let second = 0; second < 150; second += 1) {
      for (let n = 0; n < 10; n += 1) logger.warn({ subscription: 's1', n }, 'not signed');
      pass(1_000);
    }
    expect(given.lines).toMatchObject([
      { fields: { subscription: 's1', n: 0 }, message: 'not signed' },
      {
        fields: { leftOut: 599 },
        message: expect.stringMatching(/^not signed \(.*599 similar lines left out since 2030-01-01T00:00:00.000Z\)$/),
      },
      { fields: { leftOut: expect.any(Number) } },
    ]);
    logger.flush();
    expect(accounted(given)).toBe(1_500);
  });

  it('are told of when the minute is over, also where nothing further comes', () => {
    const { given, logger, pass } = world();
    for (let n = 0; n < 3; n += 1) logger.error({ subscription: 's1', n }, 'it failed');
    pass(MINUTE_MS - 1);
    expect(given.lines).toHaveLength(1);
    pass(1_001);
    expect(given.lines.slice(1)).toEqual([
      {
        level: 'error',
        fields: { subscription: 's1', n: 2, leftOut: 2, since: '2030-01-01T00:00:00.000Z' },
        message: 'it failed (the last of 2 similar lines left out since 2030-01-01T00:00:00.000Z)',
      },
    ]);
    pass(10 * MINUTE_MS);
    expect(given.lines).toHaveLength(2);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('are told of beside the next one, where that comes when the minute is over', () => {
    const { given, logger, setClock } = world();
    logger.warn({ subscription: 's1' }, 'it failed');
    logger.warn({ subscription: 's1' }, 'it failed');
    setClock(START + MINUTE_MS);
    logger.warn({ subscription: 's1', n: 3 }, 'it failed');
    expect(given.lines.map(({ message }) => message)).toEqual([
      'it failed',
      'it failed (the last of 1 similar line left out since 2030-01-01T00:00:00.000Z)',
    ]);
    logger.flush();
    expect(accounted(given)).toBe(3);
  });

  it('are no repetition after a minute', () => {
    const { given, logger, pass } = world();
    for (let minute = 0; minute < 10; minute += 1) {
      logger.warn({ subscription: 's1' }, 'it failed');
      pass(MINUTE_MS);
    }
    expect(given.said('warn')).toEqual(Array.from({ length: 10 }, () => 'it failed'));
  });

  it('are written again where the clock was set back', () => {
    const { given, logger, pass, setClock } = world();
    logger.warn({ subscription: 's1' }, 'it failed');
    setClock(START - 10 * 60 * MINUTE_MS);
    logger.warn({ subscription: 's1' }, 'it failed');
    pass(2 * MINUTE_MS);
    expect(accounted(given)).toBe(2);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('lines that are no repetition of each other', () => {
  it.each<[string, (logger: Logger, n: number) => void]>([
    ['of different subscriptions', (logger, n) => logger.warn({ subscription: `s${n}` }, 'it failed')],
    ['of different grants', (logger, n) => logger.warn({ subscription: 's1', grant: `g${n}` }, 'it failed')],
    ['of different services', (logger, n) => logger.warn({ service: `s${n}` }, 'it failed')],
    ['that say different things', (logger, n) => logger.warn({ subscription: 's1' }, `it ${'failed'.slice(0, n + 1)}`)],
    ['of different kinds by name', (logger, n) => logger.warn({ subscription: 's1', [KIND]: `k${n}` }, 'it failed')],
    ['that name nothing', (logger, n) => logger.warn({ n }, 'it failed')],
  ])('%s are written', (_name, log) => {
    const { given, logger } = world();
    for (let n = 0; n < 5; n += 1) log(logger, n);
    expect(given.lines).toHaveLength(5);
    expect(leftOut(given)).toBe(0);
  });

  it('at the level info are written for any number of subscriptions', () => {
    const { given, logger } = world();
    for (let n = 0; n < 20_000; n += 1) logger.info({ subscription: `s${n}`, service: 'news' }, 'subscribed');
    expect(given.lines).toHaveLength(20_000);
  });

  it('are bounded where they are about one subscription, however many its events', () => {
    const { given, logger } = world();
    for (let n = 0; n < 1_000; n += 1) logger.info({ event: `e${n}`, subscription: 's1' }, 'the event is kept');
    expect(given.lines).toHaveLength(1);
  });

  it('at the levels debug and fatal are all written', () => {
    const { given, logger } = world();
    for (const level of ['debug', 'fatal'] as const) {
      for (let n = 0; n < 100; n += 1) logger[level]({ subscription: 's1', [KIND]: 'one' }, 'it is so');
      logger[level]('it is so');
    }
    expect(given.lines).toHaveLength(202);
    expect(given.lines.every(({ fields }) => Object.getOwnPropertySymbols(fields).length === 0)).toBe(true);
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
  ])('is the same whatever %s it has in it', (_name, message) => {
    const { given, logger } = world();
    for (let n = 1; n <= 50; n += 1) logger.warn({ subscription: 's1' }, message(n));
    expect(given.lines).toHaveLength(1);
  });

  it('can be named, and is not written', () => {
    const { given, logger } = world();
    logger.warn({ subscription: 's1', [KIND]: 'one' }, 'first');
    logger.warn({ subscription: 's1', [KIND]: 'one' }, 'second');
    expect(given.lines).toEqual([{ level: 'warn', fields: { subscription: 's1' }, message: 'first' }]);
    expect(Object.getOwnPropertySymbols(given.lines[0]?.fields)).toEqual([]);
  });
});

describe('a kind over all subscriptions', () => {
  it.each(['warn', 'error'] as const)('has a burst at the level %s, and then one line a minute', (level) => {
    const { given, logger, pass } = world();
    let written = 0;
    for (let minute = 0; minute < 10; minute += 1) {
      for (let n = 0; n < 5_000; n += 1) logger[level]({ subscription: `s${minute}-${n}` }, 'it failed');
      written += 5_000;
      pass(MINUTE_MS);
    }
    expect(given.lines.length).toBeGreaterThanOrEqual(24 + 9);
    expect(given.lines.length).toBeLessThanOrEqual(24 + 11);
    logger.flush();
    expect(accounted(given)).toBe(written);
  });

  it('has a burst again when it has been quiet for as long', () => {
    const { given, logger, pass } = world();
    for (let n = 0; n < 100; n += 1) logger.warn({ subscription: `s${n}` }, 'it failed');
    pass(MINUTE_MS);
    pass(30 * MINUTE_MS);
    const before = given.lines.length;
    for (let n = 0; n < 100; n += 1) logger.warn({ subscription: `s${n}` }, 'it failed');
    expect(given.lines.length - before).toBe(24);
  });

  it('has one line a minute also where each subscription repeats itself', () => {
    const { given, logger, pass } = world();
    for (let second = 0; second < 600; second += 1) {
      for (let n = 0; n < 500; n += 1) logger.warn({ subscription: `s${n}` }, 'it failed');
      pass(1_000);
    }
    expect(given.lines.length).toBeLessThanOrEqual(24 + 11);
    logger.flush();
    expect(accounted(given)).toBe(600 * 500);
  });

  it('hides no other kind', () => {
    const { given, logger } = world();
    for (let n = 0; n < 1_000; n += 1) logger.warn({ subscription: `s${n}` }, 'it failed');
    logger.warn({ subscription: 's1' }, 'and now for something else');
    expect(given.said('warn').at(-1)).toBe('and now for something else');
  });
});

describe('what is remembered', () => {
  it('is bounded, and what is forgotten is counted', () => {
    const { given, logger } = world();
    for (let n = 0; n < 30_000; n += 1) {
      logger.info({ subscription: `s${n}` }, 'subscribed');
      logger.info({ subscription: `s${n}` }, 'subscribed');
    }
    const written = given.lines.length;
    logger.flush();
    expect(accounted(given)).toBe(60_000);
    // Not a line for each.
    expect(given.lines.length - written).toBeLessThan(30);
  });

  it('is told when it is flushed, and no timer is left', () => {
    const { given, logger } = world();
    for (let n = 0; n < 3; n += 1) {
      logger.warn({ subscription: 's1' }, 'it failed');
      logger.info({ subscription: 's1' }, 'subscribed');
    }
    logger.flush();
    expect(given.lines.slice(2)).toMatchObject([
      { level: 'warn', fields: { subscription: 's1', leftOut: 2 } },
      { level: 'info', fields: { subscription: 's1', leftOut: 2 } },
    ]);
    expect(vi.getTimerCount()).toBe(0);
    logger.flush();
    expect(given.lines).toHaveLength(4);
  });
});
