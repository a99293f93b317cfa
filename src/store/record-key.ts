import { StoreError } from '../errors.js';
import type { RecordKind } from './record-store.js';

/** The longest key, in characters: SQL adapters allow 255 characters, and a part's suffix must fit. */
const maxKeyLength = 220;

const asciiSafe = /^[a-z0-9_.-]+$/;

/**
 * Percent-encodes everything in an id except `a-z 0-9 . _ -`, in lower case. Capitals are encoded as well, because
 * MySQL compares keys without case.
 */
function escapeId(id: string): string {
  if (asciiSafe.test(id)) return id;
  let escaped = '';
  for (const byte of Buffer.from(id, 'utf8')) {
    const character = String.fromCodePoint(byte);
    escaped += asciiSafe.test(character) ? character : `%${byte.toString(16).padStart(2, '0')}`;
  }
  return escaped;
}

/** The common prefix of the keys of all records of a kind. */
export function kindPrefix(namespace: string, kind: RecordKind): string {
  return `${namespace}:${kind}:`;
}

/** Returns the key of a record. @throws StoreError when the id is empty or its key is too long for some store. */
export function recordKey(namespace: string, kind: RecordKind, id: string): string {
  const key = kindPrefix(namespace, kind) + escapeId(id);
  if (id === '' || key.length > maxKeyLength) {
    throw new StoreError(
      `The ${kind} id is "${id.slice(0, 80)}"; it must not be empty, and its encoded key must have at most ` +
        `${maxKeyLength} characters.`,
    );
  }
  return key;
}

/** Whether a key is an event's, in any namespace. Encoded ids contain no colon. */
export function isEventKey(key: string): boolean {
  return key.lastIndexOf(':event:') > 0 && key.lastIndexOf(':event:') + ':event'.length === key.lastIndexOf(':');
}

/** Returns the id in a key of {@link recordKey}. An id that cannot be decoded is returned unchanged. */
export function idOfKey(key: string, prefix: string): string {
  const escaped = key.slice(prefix.length);
  try {
    return decodeURIComponent(escaped);
  } catch {
    return escaped;
  }
}

/** The key of one part of a value that is too long for one row. It starts with no kind's prefix. */
export function partKey(namespace: string, key: string, generation: number, index: number): string {
  return `${namespace}:part:${key.slice(namespace.length + 1)}:${generation}:${index}`;
}
