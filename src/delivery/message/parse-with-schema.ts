import { UnrecoverableEventError } from '../../errors.js';
import type { StandardSchema, StandardSchemaIssue } from './standard-schema.js';

/** Issues listed in an error. Further issues are only counted. */
const MAX_ISSUES = 20;
/** Characters of a path, and of an issue's message. */
const MAX_LENGTH = 200;
/** A value of at least this many characters is hidden anywhere in a message, a shorter one only in quotes. */
const MIN_HIDDEN_LENGTH = 8;

/**
 * Validates a JSON body with a schema and returns the schema's output.
 *
 * @param json reads the body
 * @throws UnrecoverableEventError if the body is not JSON or does not match the schema
 * @throws RangeError if the body exceeds the limits of `json`
 * @throws TypeError if `schema` is not a Standard Schema
 */
export async function parseWithSchema<Output>(schema: StandardSchema<Output>, json: () => unknown): Promise<Output> {
  const validate = validatorOf(schema);
  const value = readJson(json);
  const result = await validate(value);
  if (result.issues === undefined) return result.value;
  throw new UnrecoverableEventError(`The JSON body does not match the schema: ${formatIssues(result.issues, value)}`);
}

function validatorOf<Output>(schema: StandardSchema<Output>): StandardSchema<Output>['~standard']['validate'] {
  // JavaScript callers may pass anything.
  const candidate: { readonly '~standard'?: Partial<StandardSchema<Output>['~standard']> } | null | undefined = schema;
  const standard = candidate?.['~standard'];
  if (typeof standard?.validate !== 'function' || standard.version !== 1) {
    throw new TypeError(
      'event.parse(): schema is not valid; it must be a Standard Schema of version 1 (https://standardschema.dev).',
    );
  }
  return (value) => schema['~standard'].validate(value);
}

function readJson(json: () => unknown): unknown {
  try {
    return json();
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    // The parser's message quotes the body, so it is not shown.
    throw new UnrecoverableEventError('The body is not valid JSON.', { cause });
  }
}

function formatIssues(issues: readonly StandardSchemaIssue[], value: unknown): string {
  const listedIssues = issues.slice(0, MAX_ISSUES).map((issue) => formatIssue(issue, value));
  const others = issues.length - listedIssues.length;
  return `${listedIssues.join('; ')}${others > 0 ? `; and ${others} more` : ''}`;
}

function formatIssue({ message, path = [] }: StandardSchemaIssue, value: unknown): string {
  const keys = path.map((step) => (typeof step === 'object' ? step.key : step));
  const place = truncate(keys.map(String).join('.'));
  const text = truncate(redactValue(message, valueAt(value, keys)));
  return place === '' ? text : `${place}: ${text}`;
}

function valueAt(value: unknown, keys: readonly PropertyKey[]): unknown {
  let current = value;
  for (const key of keys) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, key)) return undefined;
    current = Reflect.get(current, key);
  }
  return current;
}

/** Hides the value in a message, because some libraries quote it and it may be a secret. */
function redactValue(message: string, value: unknown): string {
  if (typeof value === 'number') {
    return message.replace(/(?<![\w.])-?\d[\d.]*(?:e[+-]?\d+)?/gi, (digits) =>
      Number(digits) === value ? '…' : digits,
    );
  }
  if (typeof value !== 'string' && (typeof value !== 'object' || value === null)) return message;
  const quoted = JSON.stringify(value);
  const text = typeof value === 'string' ? value : quoted;
  let hidden = message.replaceAll(quoted, '…').replaceAll(`"${text}"`, '…').replaceAll(`'${text}'`, '…');
  if (text.length >= MIN_HIDDEN_LENGTH) hidden = hidden.replaceAll(text, '…');
  return hidden;
}

function truncate(text: string): string {
  const plain = text.replace(/\p{Cc}/gu, ' ');
  return plain.length > MAX_LENGTH ? `${plain.slice(0, MAX_LENGTH)}…` : plain;
}
