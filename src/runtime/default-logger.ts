import { pino } from 'pino';
import { silentLogger, type Logger } from '../logger.js';

/** Keys whose values are secrets, wherever they stand in what is logged. */
const SECRET_KEYS = ['secret', 'secrets', 'verifyToken', 'auth', 'authorization', 'password', 'bearer', 'token'];

/** The logger of the `logger` option: the user's own, none, or pino at the level of `LOG_LEVEL`, with secrets redacted. */
export function loggerFrom(option: Logger | false | undefined, level: string | undefined): Logger {
  if (option === false) return silentLogger;
  if (option !== undefined) return option;
  return pino({
    name: 'websub-subscriber',
    level: level === undefined || level === '' ? 'info' : level,
    redact: { paths: SECRET_KEYS.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]), censor: '[redacted]' },
  });
}
