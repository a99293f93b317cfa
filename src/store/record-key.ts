import { StoreError } from '../errors.js';
import type { RecordKind } from './record-store.js';

/** The longest key written, in characters: SQL adapters keep keys in 255 characters, and a part's suffix must fit. */
const maxKeyLength = 220;

const asciiSafe = /^[a-z0-9_.-]+$/;

/**
 * The id with everything but `a-z 0-9 . _ -` percent-encoded, lower case. Capitals are encoded as well, because MySQL
 * compares keys without case.
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

/** What the keys of all records of a kind begin with. */
export function kindPrefix(namespace: string, kind: RecordKind): string {
  return `${namespace}:${kind}:`;
}

/** The key of a record. @throws StoreError where the id is empty or its key would be too long for some store. */
export function recordKey(namespace: string, kind: RecordKind, id: string): string {
  const key = kindPrefix(namespace, kind) + escapeId(id);
  if (id === '' || key.length > maxKeyLength) {
    throw new StoreError(
      `The ${kind} id "${id.slice(0, 80)}" cannot be a key: it must have 1 to ${maxKeyLength} characters once encoded.`,
    );
  }
  return key;
}

/** Whether a key is that of an event, in any namespace: no id has a colon. */
export function isEventKey(key: string): boolean {
  return key.lastIndexOf(':event:') > 0 && key.lastIndexOf(':event:') + ':event'.length === key.lastIndexOf(':');
}

/** The id that {@link recordKey} put behind the prefix; an id that cannot be decoded is returned as it is. */
export function idOfKey(key: string, prefix: string): string {
  const escaped = key.slice(prefix.length);
  try {
    return decodeURIComponent(escaped);
  } catch {
    return escaped;
  }
}

/** The key of one part of a value that was too long for its store; it begins with no kind's prefix. */
export function partKey(namespace: string, key: string, generation: number, index: number): string {
  return `${namespace}:part:${key.slice(namespace.length + 1)}:${generation}:${index}`;
}
