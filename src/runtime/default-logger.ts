import { ConfigurationError } from '../errors.js';
import { silentLogger, type Logger } from '../logger.js';
import { onDemand } from '../on-demand.js';

/** Keys whose values are secrets, wherever they stand in what is logged. */
const SECRET_KEYS = ['secret', 'secrets', 'verifyToken', 'auth', 'authorization', 'password', 'bearer', 'token'];

/**
 * The logger of the `logger` option: the user's own, none, or pino at the level of `LOG_LEVEL`, with secrets redacted.
 *
 * @throws ConfigurationError for a level that pino does not know
 */
export function loggerFrom(option: Logger | false | undefined, level: string | undefined): Logger {
  if (option === false) return silentLogger;
  if (option !== undefined) return option;
  const { pino } = onDemand('pino');
  const known = level === undefined || level === '' ? 'info' : level.toLowerCase();
  if (known !== 'silent' && !Object.hasOwn(pino.levels.values, known)) {
    const levels = [...Object.keys(pino.levels.values), 'silent'].join(', ');
    throw new ConfigurationError(
      `The environment: LOG_LEVEL is ${JSON.stringify(level)}; it must be one of ${levels}.`,
    );
  }
  const options = {
    name: 'websub-subscriber',
    level: known,
    redact: { paths: SECRET_KEYS.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]), censor: '[redacted]' },
  };
  // Written at once: a signal that is raised again ends the process before anything could be flushed.
  return pino(options, pino.destination({ dest: 1, sync: true }));
}
