import { isUint8Array } from 'node:util/types';
import { isRecord } from '../../protocol/encoding/is-record.js';
import {
  describeType,
  fieldOf,
  wrongField,
  wrongValue,
  type Check,
  type Place,
} from '../../runtime/config/checks/field-checks.js';
import { nearestName } from '../../runtime/config/checks/nearest-name.js';

/** Checks of the fields of an options object, by field name. Their results are not used. */
export type OptionChecks = Readonly<Record<string, Check<unknown>>>;

/** Names of the required fields. */
interface Required {
  readonly required?: readonly string[];
}

/**
 * Checks the options passed to a function of the test hub.
 *
 * @param call the function, for example `hub.topic()`
 * @throws ConfigurationError for the first option that is unknown or invalid
 */
export function checkOptions(
  call: string,
  options: unknown,
  checks: OptionChecks,
  { required = [] }: Required = {},
): void {
  checkAt({ subject: call, field: '' }, options, checks, required);
}

/** Returns a check of a nested options object. */
export function objectOf(checks: OptionChecks, { required = [] }: Required = {}): Check<unknown> {
  return (value, place) => checkAt(place, value, checks, required);
}

function checkAt(place: Place, options: unknown, checks: OptionChecks, required: readonly string[]): void {
  if (!isRecord(options)) {
    const at = place.field === '' ? { ...place, field: 'the options object' } : place;
    throw wrongField(at, `is ${describeType(options)}; it must be an object`);
  }
  for (const [field, value] of Object.entries(options)) {
    const check = Object.hasOwn(checks, field) ? checks[field] : undefined;
    if (check === undefined) throw unknownOption(fieldOf(place, field), field, Object.keys(checks));
    if (value !== undefined) check(value, fieldOf(place, field));
  }
  for (const field of required) {
    if (options[field] === undefined) throw wrongField(fieldOf(place, field), 'is missing');
  }
}

function unknownOption(place: Place, field: string, known: readonly string[]): Error {
  const nearest = nearestName(field, known);
  const hint = nearest === undefined ? '' : `did you mean ${nearest}? `;
  return wrongField(place, `is not a known option (${hint}known options: ${known.join(', ')})`);
}

/** Checks an argument that is not an options object. */
export function checkArgument(call: string, argument: string, value: unknown, check: Check<unknown>): void {
  check(value, { subject: call, field: argument });
}

/** Returns a check of a condition. `expected` describes a valid value. */
export function checkThat(expected: string, isValid: (value: unknown) => boolean): Check<unknown> {
  return (value, place) => {
    if (!isValid(value)) throw wrongValue(place, value, expected);
  };
}

/** Returns a check that applies `object` to objects and `other` to everything else. */
export function objectOr(object: Check<unknown>, other: Check<unknown>): Check<unknown> {
  return (value, place) => (isRecord(value) ? object : other)(value, place);
}

export const isString = (value: unknown): value is string => typeof value === 'string';
export const isNumber = (value: unknown): value is number => typeof value === 'number';

export const text = checkThat('a string', isString);
export const number = checkThat('a number', isNumber);
// Not `instanceof`: test runners such as Jest run tests in a separate realm.
export const bytes = checkThat('a string or a Uint8Array', (value) => isString(value) || isUint8Array(value));
export const retryAfter = checkThat('seconds or a Date', (value) => isNumber(value) || value instanceof Date);
export const functionCheck = checkThat('a function', (value) => typeof value === 'function');

/** Checks a status to answer with. */
export const status = checkThat('a status from 200 to 999', isStatus);

/** Whether a response can have this status. */
export function isStatus(value: unknown): boolean {
  return isNumber(value) && Number.isInteger(value) && value >= 200 && value <= 999;
}
