/**
 * The handler's additions to the answer for the hub.
 *
 * @example
 * ```ts
 * onEventNotification = (): Acknowledgement => ({ headers: { 'x-request-id': '7' }, body: { received: 'yes' } });
 * ```
 */
export interface Acknowledgement {
  /** Headers to add. @default none */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** Fields of a form-encoded body. @default an empty body */
  readonly body?: Readonly<Record<string, string>>;
}

/**
 * The acknowledgement in a handler's result; undefined if there is none. Ignores any other result, because an
 * accidental return value must not prevent the answer. Copies the fields, so no getter of the handler runs later. Never
 * throws.
 */
export function acknowledgementOf(result: unknown): Acknowledgement | undefined {
  if (typeof result !== 'object' || result === null) return undefined;
  try {
    const headers = 'headers' in result ? recordOf(result.headers, isHeaderValue) : undefined;
    const body = 'body' in result ? recordOf(result.body, isText) : undefined;
    if (headers === undefined && body === undefined) return undefined;
    return { ...(headers === undefined ? {} : { headers }), ...(body === undefined ? {} : { body }) };
  } catch {
    return undefined;
  }
}

function recordOf<T>(value: unknown, isValue: (value: unknown) => value is T): Readonly<Record<string, T>> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const copy: Record<string, T> = {};
  for (const [name, field] of Object.entries(value)) {
    if (!isValue(field)) return undefined;
    copy[name] = field;
  }
  return copy;
}

const isText = (value: unknown): value is string => typeof value === 'string';

const isHeaderValue = (value: unknown): value is string | readonly string[] =>
  isText(value) || (Array.isArray(value) && value.every(isText));
