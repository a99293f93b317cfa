import { UnrecoverableEventError } from '../../errors.js';
import type { StandardSchema, StandardSchemaIssue } from './standard-schema.js';

/** Issues that an error lists; the others are counted. */
const MAX_ISSUES = 20;
/** Characters of a path, and of a message. */
const MAX_LENGTH = 200;
/** Text of this length is hidden wherever it stands in a message; shorter text only in quotes. */
const MIN_HIDDEN_LENGTH = 8;

/**
 * The output of a schema for a JSON body.
 *
 * @param json reads the body
 * @throws UnrecoverableEventError where the body is no JSON, or the schema has issues with it
 * @throws RangeError where the body is over the bounds
 * @throws TypeError where the schema is none
 */
export async function parseWithSchema<Output>(schema: StandardSchema<Output>, json: () => unknown): Promise<Output> {
  const validate = validatorOf(schema);
  const value = readJson(json);
  const result = await validate(value);
  if (result.issues === undefined) return result.value;
  throw new UnrecoverableEventError(`The JSON body does not match the schema: ${formatIssues(result.issues, value)}`);
}

function validatorOf<Output>(schema: StandardSchema<Output>): StandardSchema<Output>['~standard']['validate'] {
  // Plain JavaScript may pass anything.
  const candidate: { readonly '~standard'?: Partial<StandardSchema<Output>['~standard']> } | null | undefined = schema;
  const standard = candidate?.['~standard'];
  if (typeof standard?.validate !== 'function' || standard.version !== 1) {
    throw new TypeError('event.parse() needs a Standard Schema of version 1 (https://standardschema.dev).');
  }
  return (value) => schema['~standard'].validate(value);
}

function readJson(json: () => unknown): unknown {
  try {
    return json();
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    // Its own message quotes the body.
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
  const words = truncate(redactValue(message, valueAt(value, keys)));
  return place === '' ? words : `${place}: ${words}`;
}

function valueAt(value: unknown, keys: readonly PropertyKey[]): unknown {
  let current = value;
  for (const key of keys) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, key)) return undefined;
    current = Reflect.get(current, key);
  }
  return current;
}

/** Some libraries quote the value in their message. It may be a secret. */
function redactValue(message: string, value: unknown): string {
  if (typeof value === 'number') {
    return message.replace(/(?<![\w.])-?\d[\d.]*(?:e[+-]?\d+)?/gi, (found) => (Number(found) === value ? '…' : found));
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
