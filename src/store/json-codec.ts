const bytesKey = '$bytes';
const escapedKey = /^\$+bytes$/;

/**
 * Encodes plain data as ASCII JSON. Bytes become `{"$bytes": "base64"}`. Keys in the data such as `$bytes` or `$$bytes`
 * get one more `$`.
 *
 * @throws TypeError naming the path of a value that is not plain data.
 */
export function encodeJson(value: unknown): string {
  const bytes: Uint8Array[] = [];
  const json = JSON.stringify(toJson(value, '', bytes)) ?? 'null';
  // ASCII, so that any database character set can store it.
  const ascii = json.replaceAll(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return bytes.length === 0 ? ascii : withBytes(ascii, bytes);
}

/** Inserts bytes last: they may be megabytes, and the escaping above would be slow on them. */
function withBytes(json: string, bytes: readonly Uint8Array[]): string {
  const parts = json.split(`"${bytesKey}":0`);
  return parts.reduce((text, part, index) => {
    const { buffer, byteOffset, byteLength } = bytes[index - 1] ?? new Uint8Array();
    return `${text}"${bytesKey}":"${Buffer.from(buffer, byteOffset, byteLength).toString('base64')}"${part}`;
  });
}

/** Decodes text that {@link encodeJson} wrote. @throws SyntaxError or TypeError for any other text. */
export function decodeJson(text: string): unknown {
  const json: unknown = JSON.parse(text);
  return text.includes(`${bytesKey}"`) || text.includes('$$') ? fromJson(json) : json;
}

/**
 * Collects the bytes and leaves `{"$bytes": 0}` in their place. A `$bytes` key in the data is escaped, so no data
 * looks like this marker.
 */
function toJson(value: unknown, path: string, bytes: Uint8Array[]): unknown {
  if (value === null || value === undefined) return value;
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      if (Number.isFinite(value)) return value;
      break;
    case 'object':
      return objectToJson(value, path, bytes);
    default:
  }
  throw notPlainDataError(typeof value === 'number' ? String(value) : `a ${typeof value}`, path);
}

function objectToJson(value: object, path: string, bytes: Uint8Array[]): unknown {
  if (value instanceof Uint8Array) {
    bytes.push(value);
    return { [bytesKey]: 0 };
  }
  if (Array.isArray(value)) return value.map((item: unknown, index) => toJson(item, `${path}[${index}]`, bytes));
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype)
    throw notPlainDataError(`a ${value.constructor.name}`, path);
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      escapedKey.test(key) ? `$${key}` : key,
      toJson(item, `${path}.${key}`, bytes),
    ]),
  );
}

function fromJson(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(fromJson);
  const entries = Object.entries(value);
  const [first] = entries;
  if (first?.[0] === bytesKey) {
    if (typeof first[1] !== 'string' || entries.length > 1)
      throw new TypeError(`${bytesKey} must be the only key, and its value base64 text`);
    return new Uint8Array(Buffer.from(first[1], 'base64'));
  }
  return Object.fromEntries(entries.map(([key, item]) => [escapedKey.test(key) ? key.slice(1) : key, fromJson(item)]));
}

function notPlainDataError(description: string, path: string): TypeError {
  return new TypeError(`value${path} is ${description}; it must be plain data or bytes`);
}
