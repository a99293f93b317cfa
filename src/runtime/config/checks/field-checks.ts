import { isRecord } from '../../../protocol/encoding/is-record.js';
import { ConfigurationError } from '../../../errors.js';
import { withoutCredentials } from '../../../protocol/http-url.js';
import { nearestName } from './nearest-name.js';

/** The place of a configured value, for errors: a subject (`Service "FeedReader"`) and a field (`delivery.concurrency`). */
export interface Place {
  readonly subject: string;
  readonly field: string;
}

/** Converts a configured value to the value in use, or throws a ConfigurationError. */
export type Check<T> = (value: unknown, place: Place) => T;

/** The result of `checkFields`: the fields that were set. */
export type Checked<C extends Readonly<Record<string, Check<unknown>>>> = {
  readonly [Field in keyof C]?: ReturnType<C[Field]>;
};

const MAX_STRING_SHOWN = 100;

/** Describes the type of a value that may be a secret: `a string`, `an array`. */
export function describeType(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

function formatValue(value: unknown): string {
  if (typeof value === 'string') {
    const safe = withoutCredentials(value);
    return JSON.stringify(safe.length > MAX_STRING_SHOWN ? `${safe.slice(0, MAX_STRING_SHOWN)}…` : safe);
  }
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return describeType(value);
}

/** The error for a value that may be shown. Leaves out credentials in a URL. */
export function wrongValue(place: Place, value: unknown, expected: string): ConfigurationError {
  return wrongField(place, `is ${formatValue(value)}; it must be ${expected}`);
}

/** The error for a value that may be a secret. Shows only its type. */
export function wrongHiddenValue(place: Place, value: unknown, expected: string): ConfigurationError {
  return wrongField(place, `is ${describeType(value)}; it must be ${expected}`);
}

/** The error with a message that continues after the field's name: `Service "FeedReader": targets names …`. */
export function wrongField({ subject, field }: Place, problem: string): ConfigurationError {
  return new ConfigurationError(`${subject}: ${field} ${problem}.`);
}

/** The place of a nested field. The outermost place has an empty field. */
export function fieldOf(place: Place, field: string | number): Place {
  if (typeof field === 'number') return { ...place, field: `${place.field}[${field}]` };
  return { ...place, field: place.field === '' ? field : `${place.field}.${field}` };
}

/**
 * Checks an object field by field. `undefined` counts as not set.
 *
 * @throws ConfigurationError for the first field that is unknown or invalid
 */
export function checkFields<C extends Readonly<Record<string, Check<unknown>>>>(
  value: unknown,
  place: Place,
  checks: C,
): Checked<C> {
  if (!isRecord(value)) {
    throw wrongHiddenValue(place.field === '' ? { ...place, field: 'the configuration' } : place, value, 'an object');
  }
  const checked: Record<string, unknown> = {};
  for (const [field, fieldValue] of Object.entries(value)) {
    const check = Object.hasOwn(checks, field) ? checks[field] : undefined;
    if (check === undefined) throw unknownField(fieldOf(place, field), field, Object.keys(checks));
    if (fieldValue !== undefined) checked[field] = check(fieldValue, fieldOf(place, field));
  }
  // Each field is the result of the check with its name.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return checked as Checked<C>;
}

function unknownField(place: Place, field: string, known: readonly string[]): ConfigurationError {
  const nearest = nearestName(field, known);
  const hint = nearest === undefined ? `known fields: ${known.join(', ')}` : `did you mean ${nearest}?`;
  return wrongField(place, `is not a known field (${hint})`);
}

export const flag: Check<boolean> = (value, place) => {
  if (typeof value !== 'boolean') throw wrongValue(place, value, 'true or false');
  return value;
};

/** Checks for one of a few strings. */
export function oneOf<const T extends string>(...choices: readonly T[]): Check<T> {
  return (value, place) => {
    const choice = choices.find((candidate) => candidate === value);
    if (choice === undefined) throw wrongValue(place, value, choices.map((c) => `'${c}'`).join(' or '));
    return choice;
  };
}

/** Checks for a number of `unit` from `least` to `most`, an integer if `whole` is set. */
export function numberOf(
  unit: string,
  { least, most, whole }: { readonly least: number; readonly most: number; readonly whole: boolean },
): Check<number> {
  const upTo = most === Number.MAX_SAFE_INTEGER ? `at least ${least}` : `from ${least} to ${most}`;
  return (value, place) => {
    const isInRange = typeof value === 'number' && value >= least && value <= most;
    if (!isInRange || (whole && !Number.isInteger(value))) {
      throw wrongValue(place, value, `a ${whole ? 'whole ' : ''}number of ${unit}, ${upTo}`);
    }
    return value;
  };
}

/** Checks a list, and each of its items. */
export function listOf<T>(item: Check<T>, expected: string): Check<readonly T[]> {
  return (value, place) => {
    if (!Array.isArray(value)) throw wrongValue(place, value, expected);
    return Object.freeze(value.map((element: unknown, index) => item(element, fieldOf(place, index))));
  };
}

/** Whether a text has no lone surrogate, so that UTF-8 can encode it. */
export function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}
