import { hostname } from 'node:os';
import { isatty, WriteStream } from 'node:tty';
import { ConfigurationError } from '../../errors.js';
import { LOG_EVENTS } from '../../log-events.js';
import { silentLogger, type Logger } from '../../logger.js';
import { onDemand } from '../../on-demand.js';
import { standardOutput } from './log-output.js';
import { LOGGER_NAME, terminalLine, type TerminalStyle } from './terminal-line.js';

const STANDARD_OUTPUT = 1;

/** Keys of secret values. They are redacted at the first three levels of the fields. */
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
 * Returns the logger for the `logger` option: the user's, a silent one, or pino. pino has the level of `LOG_LEVEL` and
 * redacts secrets. It writes readable lines to a terminal, and JSON elsewhere.
 *
 * @param env the environment, which says whether the terminal has colors
 * @throws ConfigurationError if pino does not know the level
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

/** The style for standard output; undefined if that is not a terminal. */
function terminalStyle(env: NodeJS.ProcessEnv): TerminalStyle | undefined {
  // Reading `process.stdout.isTTY` would open the stream.
  return isatty(STANDARD_OUTPUT) ? { hasColors: hasColors(env) } : undefined;
}

/** Whether the environment says that the terminal shows colors, and has no `NO_COLOR`. */
export function hasColors(env: NodeJS.ProcessEnv): boolean {
  const { NO_COLOR = '', ...others } = env;
  return NO_COLOR === '' && WriteStream.prototype.hasColors(16, others);
}

/** The line `log.dropped`, in the format of pino. */
function droppedLine(dropped: number): string {
  const event = 'log.dropped';
  const msg = LOG_EVENTS[event].message({ dropped });
  return `${JSON.stringify({ level: 40, time: Date.now(), pid: process.pid, hostname: hostname(), name: LOGGER_NAME, event, dropped, msg })}\n`;
}
