import { shouldLogDebug, type Logger, type LogLine } from '../../logger.js';
import { splitKind, LineThrottle, type Level } from './line-throttle.js';

/** A logger that repeats itself once a minute at most. */
export interface ThrottledLogger extends Logger {
  /** Writes what waits to be told of lines that were left out. */
  flush(): void;
}

/**
 * Bounds repeated lines. The first line of a kind for a subscription is written in full, then one a minute with the number of
 * those left out. Warnings and errors are bounded for all subscriptions together as well: after a burst, one line a minute for
 * the kind. `debug` and `fatal` are not bounded. A call may name its kind with the field `KIND`.
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
    debug: unthrottledLine(logger, 'debug'),
    info: lineOf('info'),
    warn: lineOf('warn'),
    error: lineOf('error'),
    fatal: unthrottledLine(logger, 'fatal'),
    isLevelEnabled: () => shouldLogDebug(logger),
    flush: () => lines.flush(),
  };
}

function unthrottledLine(logger: Logger, level: 'debug' | 'fatal'): LogLine {
  return (fields: object | string, message?: string): void => {
    if (typeof fields === 'string') logger[level](fields);
    else logger[level](splitKind(fields)[0], message);
  };
}
