import type { Logger } from '../../src/logger.js';

/** One logged line. */
export interface RecordedLine {
  readonly level: keyof Logger;
  /** A copy of the fields. Empty for a line that has only a message. */
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

/** A logger that records its lines in memory. */
export interface RecordingLogger extends Logger {
  readonly lines: RecordedLine[];
  /** The messages of one level. */
  readonly messages: (level: keyof Logger) => readonly string[];
  /** The lines whose message contains a text. */
  readonly logged: (text: string) => readonly RecordedLine[];
}

/** @param lines receives the lines, for a test that has several loggers write to one list */
export function recordingLogger(lines: RecordedLine[] = []): RecordingLogger {
  const recordAt =
    (level: keyof Logger) =>
    (fields: object | string, message = ''): void => {
      const isText = typeof fields === 'string';
      lines.push({ level, fields: isText ? {} : { ...fields }, message: isText ? fields : message });
    };
  return {
    lines,
    messages: (level) => lines.filter((line) => line.level === level).map(({ message }) => message),
    logged: (text) => lines.filter(({ message }) => message.includes(text)),
    debug: recordAt('debug'),
    info: recordAt('info'),
    warn: recordAt('warn'),
    error: recordAt('error'),
    fatal: recordAt('fatal'),
  };
}
