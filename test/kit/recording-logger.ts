import type { LogEvent } from '../../src/log-events.js';
import type { Logger } from '../../src/logger.js';

/** One logged line. */
export interface RecordedLine {
  readonly level: keyof Logger;
  /** The field `event`. */
  readonly event: unknown;
  /** A copy of the other fields. Empty for a line that has only a message. */
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

/** A logger that records its lines in memory. */
export interface RecordingLogger extends Logger {
  readonly lines: RecordedLine[];
  /** The events of one level. */
  readonly events: (level: keyof Logger) => readonly unknown[];
  /** The lines of one event. */
  readonly logged: (event: LogEvent) => readonly RecordedLine[];
}

/** @param lines receives the lines, for a test that has several loggers write to one list */
export function recordingLogger(lines: RecordedLine[] = []): RecordingLogger {
  const recordAt =
    (level: keyof Logger) =>
    (fields: object | string, message = ''): void => {
      const isText = typeof fields === 'string';
      const { event, ...others }: Record<string, unknown> = isText ? {} : { ...fields };
      lines.push({ level, event, fields: others, message: isText ? fields : message });
    };
  return {
    lines,
    events: (level) => lines.filter((line) => line.level === level).map(({ event }) => event),
    logged: (name) => lines.filter(({ event }) => event === name),
    debug: recordAt('debug'),
    info: recordAt('info'),
    warn: recordAt('warn'),
    error: recordAt('error'),
    fatal: recordAt('fatal'),
  };
}
