/** What the hub is told beside the status: headers to add, and fields of a form-encoded body. */
export interface Acknowledgement {
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: Readonly<Record<string, string>>;
}

/**
 * What a handler returned, as far as it is an acknowledgement: an accident of its last line must not cost the hub its answer.
 * What counts is copied, so that nothing of the handler's runs when the answer is made. Never throws.
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
  for (const [name, each] of Object.entries(value)) {
    if (!isValue(each)) return undefined;
    copy[name] = each;
  }
  return copy;
}

const isText = (value: unknown): value is string => typeof value === 'string';

const isHeaderValue = (value: unknown): value is string | readonly string[] =>
  isText(value) || (Array.isArray(value) && value.every(isText));
