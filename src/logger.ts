/** Writes one line: fields first, then the message. */
export type LogLine = {
  (fields: object, message?: string): void;
  (message: string): void;
};

/**
 * What the runtime logs to: pino, or anything with pino's five methods. The class is also the token under which a
 * service gets the runtime's logger injected: `constructor(private readonly log: Logger)`.
 */
export abstract class Logger {
  abstract readonly debug: LogLine;
  abstract readonly info: LogLine;
  abstract readonly warn: LogLine;
  abstract readonly error: LogLine;
  abstract readonly fatal: LogLine;
  /**
   * Whether lines of a level are written, as pino's method of this name says. It is asked before a debug line is made; without
   * it every debug line is made.
   */
  isLevelEnabled?(level: 'debug'): boolean;
}

/** Whether to make debug lines. Costs no more than the logger's own answer. */
export function shouldLogDebug(logger: Logger): boolean {
  return logger.isLevelEnabled === undefined || logger.isLevelEnabled('debug');
}

/**
 * Names the kind of a line, as a field of it that is not written: lines of one kind for one subscription are bounded. Without it
 * the kind is taken from the message.
 */
export const KIND: unique symbol = Symbol('kind');

/**
 * A logger that throws nothing at whoever logs: pino throws at an error that is frozen or cannot be read, and any logger may
 * where its disk is full. What cannot be logged as it is, is put in words.
 */
export function safeLogger(logger: Logger): Logger {
  const lineOf =
    (level: Level): LogLine =>
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

/** A logger that cannot answer gets every line. */
function isDebugEnabled(logger: Logger): boolean {
  if (typeof logger.isLevelEnabled !== 'function') return true;
  try {
    return logger.isLevelEnabled('debug');
  } catch {
    return true;
  }
}

function succeeds(act: () => unknown): boolean {
  try {
    const result = act();
    // A method that is `async` fails later: nobody else handles that.
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
type Level = Exclude<keyof Logger, 'isLevelEnabled'>;

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
