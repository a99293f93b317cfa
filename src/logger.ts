/** Writes one log line: the fields, then the message. */
export type LogLine = {
  (fields: object, message?: string): void;
  (message: string): void;
};

/**
 * A logger: pino, or any object with these five methods of pino. The class is also the injection token of the logger.
 *
 * @example
 * ```ts
 * @SubscriberService({ target: 'https://example.com/feed' })
 * class FeedReader {
 *   constructor(private readonly log: Logger) {}
 *   async onEventNotification(event: ContentDistributionMessage) {
 *     this.log.info({ eventId: event.id }, 'received');
 *   }
 * }
 * ```
 */
export abstract class Logger {
  abstract readonly debug: LogLine;
  abstract readonly info: LogLine;
  abstract readonly warn: LogLine;
  abstract readonly error: LogLine;
  abstract readonly fatal: LogLine;
  /** Whether a level is enabled, as in pino. Called before a debug line is built. @default every debug line is built */
  isLevelEnabled?(level: 'debug'): boolean;
}

/** Whether to build debug lines. Costs only the call of the logger's own method. */
export function shouldLogDebug(logger: Logger): boolean {
  return logger.isLevelEnabled === undefined || logger.isLevelEnabled('debug');
}

/**
 * Wraps a logger so that it never throws. pino throws on an error that is frozen or unreadable. Any logger may throw on
 * a full disk. A line that fails is logged again with all fields as strings.
 */
export function safeLogger(logger: Logger): Logger {
  const lineOf =
    (level: LogLevel): LogLine =>
    (fields: object | string, message?: string): void => {
      if (typeof fields === 'string') succeeds(() => logger[level](fields));
      else if (!succeeds(() => logger[level](fields, message)))
        succeeds(() => logger[level](asStrings(fields), message));
    };
  return {
    debug: lineOf('debug'),
    info: lineOf('info'),
    warn: lineOf('warn'),
    error: lineOf('error'),
    fatal: lineOf('fatal'),
    isLevelEnabled: () => isDebugEnabled(logger),
  };
}

/** Whether debug is enabled; true if the logger has no such method, or it throws. */
function isDebugEnabled(logger: Logger): boolean {
  if (typeof logger.isLevelEnabled !== 'function') return true;
  try {
    return logger.isLevelEnabled('debug');
  } catch {
    return true;
  }
}

function succeeds(write: () => unknown): boolean {
  try {
    const result = write();
    // An `async` method fails later, and nothing else handles its rejection.
    if (result instanceof Promise) result.catch(() => {});
    return true;
  } catch {
    return false;
  }
}

function asStrings(fields: object): object {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, toText(value)]));
}

function toText(value: unknown): string {
  try {
    return String(value);
  } catch {
    return 'something that cannot be logged';
  }
}

/** The levels of a logger. */
export type LogLevel = Exclude<keyof Logger, 'isLevelEnabled'>;

const noop: LogLine = () => {};

/** The logger behind `logger: false`. */
export const silentLogger: Logger = {
  debug: noop,
  info: noop,
  warn: noop,
  error: noop,
  fatal: noop,
  isLevelEnabled: () => false,
};
