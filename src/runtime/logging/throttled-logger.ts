import { shouldLogDebug, type Logger, type LogLine } from '../../logger.js';
import { LineThrottle, type Level } from './line-throttle.js';

/** A logger that repeats a line at most once a minute. */
export interface ThrottledLogger extends Logger {
  /** Writes the counts of suppressed lines. */
  flush(): void;
}

/**
 * Throttles repeated lines. The first line of an event about a subscription is written in full, then one per minute
 * with the number of suppressed lines. Warnings and errors are also throttled over all subscriptions: after a burst,
 * one line per minute and event. `debug` and `fatal` are not throttled.
 */
export function throttledLogger(logger: Logger, { now }: { readonly now: () => number }): ThrottledLogger {
  const lines = new LineThrottle(logger, now);
  const lineOf =
    (level: Level): LogLine =>
    (fields: object | string, message?: string): void => {
      if (typeof fields === 'string') lines.write(level, {}, fields);
      else lines.write(level, fields, message ?? '');
    };
  return {
    debug: (fields: object | string, message?: string) => writeTo(logger, 'debug', fields, message),
    info: lineOf('info'),
    warn: lineOf('warn'),
    error: lineOf('error'),
    fatal: (fields: object | string, message?: string) => writeTo(logger, 'fatal', fields, message),
    isLevelEnabled: () => shouldLogDebug(logger),
    flush: () => lines.flush(),
  };
}

function writeTo(logger: Logger, level: 'debug' | 'fatal', fields: object | string, message?: string): void {
  if (typeof fields === 'string') logger[level](fields);
  else logger[level](fields, message);
}
