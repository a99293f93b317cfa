import * as fc from 'fast-check';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { terminalLine } from '../../../src/runtime/logging/terminal-line.js';
import { hasColors } from '../../../src/runtime/logging/default-logger.js';

const time = new Date(2030, 0, 2, 3, 4, 5, 6).getTime();

// oxlint-disable-next-line no-control-regex -- matches the forbidden characters
const CONTROL_CHARACTERS = /[\0-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

const render = (line: object, hasColors = false): string =>
  terminalLine(`${JSON.stringify({ level: 30, time, pid: 7, hostname: 'h', name: 'websub-subscriber', ...line })}\n`, {
    hasColors,
  });

describe('a line on a terminal', () => {
  it('has local time, level and message, then its fields', () => {
    expect(render({ subscription: 's1', attempt: 2, isNew: true, msg: 'handler failed' })).toBe(
      '03:04:05.006 INFO  handler failed subscription=s1 attempt=2 isNew=true\n',
    );
  });

  it.each([
    [10, 'TRACE'],
    [20, 'DEBUG'],
    [30, 'INFO '],
    [40, 'WARN '],
    [50, 'ERROR'],
    [60, 'FATAL'],
    [35, '35   '],
  ])('names the level %d', (level, label) => {
    expect(render({ level, msg: 'said' })).toBe(`03:04:05.006 ${label} said\n`);
  });

  it('shows the event but not the grant, and the number of suppressed lines only above zero', () => {
    const line = { event: 'handler.failed', grant: 'g1', msg: 'said' };
    expect(render({ ...line, suppressed: 0 })).toBe('03:04:05.006 INFO  said event=handler.failed\n');
    expect(render({ ...line, suppressed: 3 })).toBe('03:04:05.006 INFO  said event=handler.failed suppressed=3\n');
  });

  it('quotes values with several words, shows objects as JSON, and cuts long values', () => {
    const line = render({ a: 'b "c"', d: '', e: 'f=g', h: { i: ['j'] }, k: 'l'.repeat(400), msg: 'said' });
    expect(line).toBe(`03:04:05.006 INFO  said a="b \\"c\\"" d="" e="f=g" h={"i":["j"]} k=${'l'.repeat(300)}…\n`);
  });

  it('shows only the message of an error below the level warn', () => {
    const err = { type: 'TypeError', message: 'no paper', stack: 'TypeError: no paper\n    at there' };
    expect(render({ err, msg: 'said' })).toBe('03:04:05.006 INFO  said err="TypeError: no paper"\n');
  });

  it('shows at most ten errors of an AggregateError below its stack', () => {
    const lines: string[] = [];
    const logger = pino({}, { write: (json: string) => void lines.push(terminalLine(json, { hasColors: false })) });
    const parts = Array.from({ length: 12 }, (_, index) => new Error(`part ${index}`));
    logger.error({ err: new AggregateError(parts, 'all failed') }, 'said');
    const shown = lines[0]?.split('\n').filter((line) => /^ +\w*Error: /.test(line));
    expect(shown?.slice(0, 3)).toEqual([
      '    AggregateError: all failed',
      '      Error: part 0',
      '      Error: part 1',
    ]);
    expect(shown).toHaveLength(11);
  });

  it('shows the stack of an error from the level warn on, indented and with causes', () => {
    const stack = 'TypeError: no paper\n    at one\n    at two\ncaused by: Error: no ink\n    at three';
    expect(render({ level: 40, err: { type: 'TypeError', message: 'no paper', stack }, msg: 'said', a: 1 })).toBe(
      [
        '03:04:05.006 WARN  said a=1',
        '    TypeError: no paper',
        '        at one',
        '        at two',
        '    caused by: Error: no ink',
        '        at three',
        '',
      ].join('\n'),
    );
  });

  it.each([
    ['has no stack', { type: 'Error', message: 'no' }, '"Error: no"'],
    ['is a string', 'Error: no', '"Error: no"'],
    ['is a number', 5, '5'],
  ])('shows an error that %s next to the message', (_kind, err, shown) => {
    expect(render({ level: 50, err, msg: 'said' })).toBe(`03:04:05.006 ERROR said err=${shown}\n`);
  });

  it('colors the level, and dims time and field names, if the terminal has colors', () => {
    expect(render({ level: 40, a: 1, msg: 'said' }, true)).toBe(
      '\u001b[2m03:04:05.006\u001b[0m \u001b[33mWARN \u001b[0m said \u001b[2ma=\u001b[0m1\n',
    );
  });

  it('shows a line that is not JSON unchanged but escaped', () => {
    expect(terminalLine('no \u001b[2J JSON\n', { hasColors: false })).toBe('no \\x1b[2J JSON\n');
  });

  it('escapes control characters in a message, a name, a value or an error', () => {
    const evil = 'a\u001b]0;title\u0007\r\n\u009b2J\u007f\u202eb\u2028c\t';
    const shown = String.raw`a\x1b]0;title\x07\r\n\x9b2J\x7f\u202eb\u2028c\t`;
    expect(render({ msg: evil })).toBe(`03:04:05.006 INFO  ${shown}\n`);
    expect(render({ msg: 'said', key: evil })).toBe(`03:04:05.006 INFO  said key="${shown}"\n`);
    expect(render({ msg: 'said', [evil]: 1 })).toContain(shown);
    expect(render({ msg: 'said', key: [evil] })).not.toContain('\u009b');
    const stack = `Error: ${evil}\n    at there`;
    expect(render({ level: 50, msg: 'said', err: { type: 'Error', message: evil, stack } })).toBe(
      `03:04:05.006 ERROR said\n    Error: ${shown}\n        at there\n`,
    );
  });

  it('stays one line with any content, apart from the indented lines of a stack', () => {
    const controlCharacter = fc.constantFrom(
      '\u001b',
      '\n',
      '\r',
      '\u0007',
      '\u0085',
      '\u009b',
      '\u007f',
      '\u2029',
      '\u202e',
      '\u2066',
    );
    const text = fc.string({
      unit: fc.oneof(controlCharacter, fc.string({ unit: 'binary', minLength: 1, maxLength: 1 })),
    });
    fc.assert(
      fc.property(text, text, text, text, fc.constantFrom(30, 50), (msg, name, value, message, level) => {
        const err = { type: name, message, stack: `${name}: ${message}\n    at there` };
        const line = render({ [name]: value, msg, level, err });
        const [first, ...stackLines] = line.split('\n');
        expect(first).toMatch(/^[\d:.]{12} /);
        expect(stackLines.pop()).toBe('');
        for (const stackLine of stackLines) expect(stackLine).toMatch(/^ {4}/);
        expect(line.replaceAll('\n', '')).not.toMatch(CONTROL_CHARACTERS);
      }),
      { numRuns: Number(process.env['RUNS'] ?? 1_000) },
    );
  });
});

describe('hasColors()', () => {
  it.each<[boolean, Record<string, string>]>([
    [true, { TERM: 'xterm-256color' }],
    [true, { TERM: 'xterm-256color', NO_COLOR: '' }],
    [false, { TERM: 'xterm-256color', NO_COLOR: '1' }],
    [false, { TERM: 'xterm-256color', NO_COLOR: '1', FORCE_COLOR: '1' }],
    [false, { TERM: 'dumb' }],
    [false, {}],
  ])('is %s in the environment %j', (expected, env) => {
    expect(hasColors(env)).toBe(expected);
  });
});
