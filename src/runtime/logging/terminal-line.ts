import { isRecord } from '../../protocol/encoding/is-record.js';

/** The name of the default logger. */
export const LOGGER_NAME = 'websub-subscriber';

/** The style of terminal lines. */
export interface TerminalStyle {
  readonly hasColors: boolean;
}

/** A level's name and its color, as an SGR code. */
interface LevelStyle {
  readonly label: string;
  readonly color: number;
}

const LEVELS: ReadonlyMap<unknown, LevelStyle> = new Map([
  [10, { label: 'TRACE', color: 90 }],
  [20, { label: 'DEBUG', color: 36 }],
  [30, { label: 'INFO', color: 32 }],
  [40, { label: 'WARN', color: 33 }],
  [50, { label: 'ERROR', color: 31 }],
  [60, { label: 'FATAL', color: 35 }],
]);

/** pino's number for warnings. From this level on, errors are shown with their stacks. */
const WARN = 40;

const DIM = 2;

/** Fields that are shown elsewhere in the line, and fields that nobody needs at a terminal. */
const NOT_LISTED: ReadonlySet<string> = new Set(['level', 'time', 'msg', 'err', 'pid', 'hostname', 'grant']);

/** The number of lines that were not written. Shown only if above 0. */
const COUNT = 'suppressed';

/** Maximum characters of one value. */
const MAX_SHOWN = 300;

/** Maximum errors of one AggregateError. */
const MAX_ERRORS_SHOWN = 10;

/** Matches values that need no quotes. */
const PLAIN = /^[^\s"'=\\]+$/;

/**
 * Formats a line of pino for a terminal: local time, level, message, and fields as `key=value`. From `warn` on, the
 * stack of an error follows. Control characters are escaped, so that no line can control the terminal.
 *
 * @param json the line as pino writes it, with secrets redacted
 */
export function terminalLine(json: string, style: TerminalStyle): string {
  const line = parseLine(json);
  if (line === undefined) return `${printable(json.trimEnd())}\n`;
  const { level, time, msg, err } = line;
  const { label, color } = LEVELS.get(level) ?? { label: valueOf(level), color: 0 };
  const isSevere = typeof level !== 'number' || level >= WARN;
  const stack = isSevere ? stackOf(err) : [];
  const shown = [
    colored(timeOf(time), DIM, style),
    colored(label.padEnd(5), color, style),
    printable(typeof msg === 'string' ? msg : ''),
    ...Object.entries(line)
      .filter(([name, value]) => isListed(name, value))
      .map(([name, value]) => field(name, value, style)),
    ...(err === undefined || stack.length > 0 ? [] : [field('err', messageOf(err), style)]),
  ];
  const first = shown.filter((part) => part !== '').join(' ');
  return [first, ...stack.map((each) => `    ${each}`), ''].join('\n');
}

function parseLine(json: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const line: unknown = JSON.parse(json);
    return isRecord(line) ? line : undefined;
  } catch {
    return undefined;
  }
}

function isListed(name: string, value: unknown): boolean {
  if (name === 'name' && value === LOGGER_NAME) return false;
  return !NOT_LISTED.has(name) && !(name === COUNT && value === 0);
}

function field(name: string, value: unknown, style: TerminalStyle): string {
  return `${colored(`${valueOf(name)}=`, DIM, style)}${valueOf(value)}`;
}

function valueOf(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
  const cut = text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
  if (typeof value !== 'string' || PLAIN.test(cut)) return printable(cut);
  return `"${printable(cut.replaceAll(/["\\]/g, String.raw`\$&`))}"`;
}

function messageOf(err: unknown): unknown {
  if (!isRecord(err)) return err;
  const { type, message } = err;
  return typeof type === 'string' && typeof message === 'string' ? `${type}: ${message}` : err;
}

/** The lines of an error's stack, followed by those of an AggregateError's errors. */
function stackOf(err: unknown): readonly string[] {
  if (!isRecord(err)) return [];
  const { stack, aggregateErrors } = err;
  if (typeof stack !== 'string' || stack === '') return [];
  const parts: readonly unknown[] = Array.isArray(aggregateErrors) ? aggregateErrors.slice(0, MAX_ERRORS_SHOWN) : [];
  return [...linesOf(stack), ...parts.flatMap((part) => stackOf(part).map((line) => `  ${line}`))];
}

/** Splits a stack before frames and causes. A line break in a message starts no line: it is escaped. */
function linesOf(stack: string): readonly string[] {
  const lines: string[] = [];
  for (const line of stack.split('\n')) {
    const last = lines.length - 1;
    if (last < 0 || /^(?:\s+at |caused by: )/.test(line)) lines.push(line);
    else lines[last] = `${lines[last]}\n${line}`;
  }
  return lines.map(printable);
}

/** `HH:MM:SS.mmm`, in local time. */
function timeOf(time: unknown): string {
  const date = new Date(typeof time === 'number' ? time : Date.now());
  const two = (part: number): string => String(part).padStart(2, '0');
  const clock = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':');
  return `${clock}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}

function colored(text: string, code: number, { hasColors }: TerminalStyle): string {
  return hasColors && code !== 0 ? `\u001b[${code}m${text}\u001b[0m` : text;
}

/**
 * Characters that act on a terminal or mislead its reader: C0 and C1 controls, DEL, line separators, and the controls
 * of bidirectional text.
 */
// oxlint-disable-next-line no-control-regex -- the pattern must match them.
const CONTROL_CHARACTERS = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

const SHORT_ESCAPES = new Map([
  ['\n', String.raw`\n`],
  ['\r', String.raw`\r`],
  ['\t', String.raw`\t`],
]);

/** Escapes control characters, so that the text stays on its line and cannot control the terminal. */
function printable(text: string): string {
  return text.replaceAll(CONTROL_CHARACTERS, escapeCharacter);
}

function escapeCharacter(character: string): string {
  const code = character.charCodeAt(0);
  const hex = code < 0x100 ? `x${code.toString(16).padStart(2, '0')}` : `u${code.toString(16).padStart(4, '0')}`;
  return SHORT_ESCAPES.get(character) ?? `\\${hex}`;
}
