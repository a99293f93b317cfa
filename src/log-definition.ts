import type { Logger, LogLevel } from './logger.js';

/** The level of a log event, and the message that its fields give. */
export interface LogDefinition<Fields extends object> {
  readonly level: LogLevel;
  message(fields: Fields): string;
}

type Message<Fields extends object> = string | ((fields: Fields) => string);

const atLevel =
  (level: LogLevel) =>
  <Fields extends object = object>(message: Message<Fields>): LogDefinition<Fields> => ({
    level,
    message: typeof message === 'string' ? () => message : message,
  });

export const debug = atLevel('debug');
export const info = atLevel('info');
export const warn = atLevel('warn');
export const error = atLevel('error');
export const fatal = atLevel('fatal');

/** A field that becomes part of the message and is not written as a field. */
export interface Detail {
  readonly detail: string;
}

/** Writes a line: `event`, the fields without `detail`, and the message. */
export function writeLine(logger: Logger, event: string, definition: LogDefinition<object>, fields: object): void {
  const { detail: _, ...written } = { detail: undefined, ...fields };
  logger[definition.level]({ event, ...written }, definition.message(fields));
}

/** The ids and URLs of a subscription, and of the grant if there is one. */
export interface SubscriptionFields {
  readonly subscription: string;
  readonly service: string;
  readonly grant?: string;
  readonly target?: string;
  readonly hub?: string;
  readonly topic?: string;
  readonly hubs?: readonly string[];
}

/** The next step after a failed attempt: another hub now, a later attempt, or none before `retry()`. */
export interface NextAttempt {
  readonly nextHub?: string;
  readonly nextAttemptAt?: string;
  readonly retriedByItself?: false;
}
