import { hostname } from 'node:os';
import { ConfigurationError } from '../../errors.js';
import { silentLogger, type Logger } from '../../logger.js';
import { onDemand } from '../../on-demand.js';
import { standardOutput } from './log-output.js';
import { LOGGER_NAME, terminalLine } from './terminal-line.js';
import { terminalStyle } from './terminal-style.js';

/** Keys whose values are secrets, wherever they stand in what is logged. */
const SECRET_KEYS = [
  'secret',
  'secrets',
  'verifyToken',
  'auth',
  'authorization',
  'password',
  'bearer',
  'token',
  'sealKey',
  'WEBSUB_SEAL_KEY',
];

/**
 * The logger of the `logger` option: the user's own, none, or pino at the level of `LOG_LEVEL`, with secrets redacted. It writes
 * readable lines where standard output is a terminal, and JSON elsewhere.
 *
 * @param env says whether the terminal has colors
 * @throws ConfigurationError for a level that pino does not know
 */
export function loggerFrom(option: Logger | false | undefined, level: string | undefined, env = process.env): Logger {
  if (option === false) return silentLogger;
  if (option !== undefined) return option;
  const { pino } = onDemand('pino');
  const levelName = level === undefined || level === '' ? 'info' : level.toLowerCase();
  if (levelName !== 'silent' && !Object.hasOwn(pino.levels.values, levelName)) {
    const levels = [...Object.keys(pino.levels.values), 'silent'].join(', ');
    throw new ConfigurationError(
      `The environment: LOG_LEVEL is ${JSON.stringify(level)}; it must be one of ${levels}.`,
    );
  }
  const options = {
    name: LOGGER_NAME,
    level: levelName,
    redact: { paths: SECRET_KEYS.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]), censor: '[redacted]' },
  };
  const style = terminalStyle(env);
  if (style === undefined) return pino(options, standardOutput(droppedLine));
  const output = standardOutput((dropped) => terminalLine(droppedLine(dropped), style));
  // pino has redacted the line already.
  return pino(options, { write: (line: string) => output.write(terminalLine(line, style)) });
}

/** As pino writes a warning. */
function droppedLine(dropped: number): string {
  const msg = `${dropped} log ${dropped === 1 ? 'line was' : 'lines were'} dropped: the standard output was not read in time`;
  return `${JSON.stringify({ level: 40, time: Date.now(), pid: process.pid, hostname: hostname(), name: LOGGER_NAME, dropped, msg })}\n`;
}
