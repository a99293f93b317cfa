import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LogOutput } from '../../../src/runtime/logging/log-output.js';

const MIB = 1024 * 1024;

/** A reader that accepts a limited number of bytes. */
class Reader {
  room: number;
  failure = 'EAGAIN';
  attempts = 0;
  readonly #chunks: Buffer[] = [];

  constructor(room: number) {
    this.room = room;
  }

  readonly send = (bytes: Uint8Array): number => {
    this.attempts += 1;
    const accepted = bytes.subarray(0, this.room);
    if (accepted.length === 0) throw Object.assign(new Error('no room'), { code: this.failure });
    this.#chunks.push(Buffer.from(accepted));
    this.room -= accepted.length;
    return accepted.length;
  };

  get text(): string {
    return Buffer.concat(this.#chunks).toString('utf8');
  }

  get lines(): readonly string[] {
    return this.text.split('\n').slice(0, -1);
  }
}

function outputTo(reader: Reader): LogOutput {
  return new LogOutput(reader.send, (count) => `dropped ${count}\n`);
}

describe('the output of the default logger', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('writes a line at once, without a timer', () => {
    const reader = new Reader(Infinity);
    outputTo(reader).write('one\n');
    expect(reader.lines).toEqual(['one']);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('writes the rest of a line and the next lines once the reader has room again', () => {
    const reader = new Reader(2);
    const output = outputTo(reader);
    for (const line of ['öne\n', 'two\n', 'three\n']) output.write(line);
    expect(reader.attempts).toBe(1);
    reader.room = 5;
    vi.advanceTimersByTime(2);
    reader.room = Infinity;
    vi.advanceTimersByTime(4);
    expect(reader.lines).toEqual(['öne', 'two', 'three']);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('retries less and less often, but at least ten times a second', () => {
    const reader = new Reader(0);
    outputTo(reader).write('one\n');
    const attemptTimes: number[] = [];
    for (let ms = 1; ms <= 500; ms += 1) {
      const attemptsBefore = reader.attempts;
      vi.advanceTimersByTime(1);
      if (reader.attempts > attemptsBefore) attemptTimes.push(ms);
    }
    expect(attemptTimes).toEqual([2, 6, 14, 30, 62, 126, 226, 326, 426]);
  });

  it('buffers 4 MiB of lines, drops further lines, and writes their count in their place', () => {
    const reader = new Reader(0);
    const output = outputTo(reader);
    const buffered = Array.from({ length: 4 * 1024 }, (_, index) => `${index}`.padEnd(1023, '.'));
    for (const line of buffered) output.write(`${line}\n`);
    for (let more = 0; more < 1000; more += 1) output.write('more\n');
    reader.room = MIB;
    vi.advanceTimersByTime(100);
    output.write('too early\n');
    expect(reader.lines).toHaveLength(1024);
    reader.room = MIB;
    vi.advanceTimersByTime(100);
    output.write('after\n');
    reader.room = Infinity;
    vi.advanceTimersByTime(100);
    expect(reader.lines).toEqual([...buffered, 'dropped 1001', 'after']);
  });

  it('wraps around the end of its ring buffer', () => {
    const reader = new Reader(0);
    const output = outputTo(reader);
    const written: string[] = [];
    for (let index = 0; index < 12_000; index += 1) {
      const line = `${String(index).padEnd(500, 'é')}\n`;
      written.push(line);
      output.write(line);
      reader.room = 950;
      vi.advanceTimersByTime(2);
    }
    reader.room = Infinity;
    vi.advanceTimersByTime(100);
    expect(reader.text === written.join('')).toBe(true);
  });

  it('writes its buffered lines before it drops a line, if the reader has room again', () => {
    const reader = new Reader(0);
    const output = outputTo(reader);
    const line = `${'x'.repeat(1023)}\n`;
    for (let count = 0; count < 4 * 1024; count += 1) output.write(line);
    reader.room = Infinity;
    const lastAttempt = performance.now();
    while (performance.now() < lastAttempt + 3);
    output.write('last\n');
    expect(reader.lines).toHaveLength(4 * 1024 + 1);
    expect(reader.lines.at(-1)).toBe('last');
  });

  it('ends a flush at its timeout', () => {
    const reader = new Reader(0);
    const output = outputTo(reader);
    output.write('one\n');
    const startedAt = performance.now();
    output.flush(50);
    const took = performance.now() - startedAt;
    expect(took).toBeGreaterThanOrEqual(50);
    expect(took).toBeLessThan(1_000);
    reader.room = Infinity;
    output.flush(50);
    expect(reader.lines).toEqual(['one']);
  });

  it('writes nothing more once the pipe is closed', () => {
    const reader = new Reader(3);
    const output = outputTo(reader);
    output.write('one\n');
    reader.failure = 'EPIPE';
    vi.advanceTimersByTime(100);
    reader.room = Infinity;
    output.write('two\n');
    vi.advanceTimersByTime(1_000);
    expect(reader.text).toBe('one');
    expect(vi.getTimerCount()).toBe(0);
  });

  it('buffers lines while the disk is full', () => {
    const reader = new Reader(0);
    reader.failure = 'ENOSPC';
    const output = outputTo(reader);
    output.write('one\n');
    reader.room = Infinity;
    vi.advanceTimersByTime(100);
    expect(reader.lines).toEqual(['one']);
  });
});
