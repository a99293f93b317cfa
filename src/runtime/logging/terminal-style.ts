import { isatty, WriteStream } from 'node:tty';
import type { TerminalStyle } from './terminal-line.js';

const STANDARD_OUTPUT = 1;

/**
 * How lines are shown on standard output; undefined where that is no terminal. Colors need a terminal that has them, and no
 * `NO_COLOR` in the environment.
 */
export function terminalStyle(env: NodeJS.ProcessEnv): TerminalStyle | undefined {
  // Reading `process.stdout.isTTY` would open the stream.
  return isatty(STANDARD_OUTPUT) ? { hasColors: hasColors(env) } : undefined;
}

/** Whether a terminal shows colors, by the environment. */
export function hasColors(env: NodeJS.ProcessEnv): boolean {
  const { NO_COLOR = '', ...others } = env;
  return NO_COLOR === '' && WriteStream.prototype.hasColors(16, others);
}
