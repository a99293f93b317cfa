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
}

const nothing: LogLine = () => {};

/** The logger behind `logger: false`. */
export const silentLogger: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing, fatal: nothing };
