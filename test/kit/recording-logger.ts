import type { Logger } from '../../src/logger.js';

/** A line of a recording logger. */
export interface RecordedLine {
  readonly level: keyof Logger;
  readonly fields: object;
  readonly message: string;
}

/** A logger that keeps what it is told. */
export interface RecordingLogger extends Logger {
  readonly lines: readonly RecordedLine[];
  /** The messages of a level. */
  readonly said: (level: keyof Logger) => readonly string[];
}

export function recordingLogger(): RecordingLogger {
  const lines: RecordedLine[] = [];
  const at =
    (level: keyof Logger) =>
    (fields: object | string, message?: string): void => {
      lines.push(
        typeof fields === 'string' ? { level, fields: {}, message: fields } : { level, fields, message: message ?? '' },
      );
    };
  return {
    lines,
    said: (level) => lines.filter((line) => line.level === level).map(({ message }) => message),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    fatal: at('fatal'),
  };
}
