import { createHash, type Hash } from 'node:crypto';

/** Bytes kept of a SHA-256 hash: enough to avoid collisions among the values compared here. */
const DIGEST_BYTES = 16;

/** Texts are hashed together up to this length: one hash call per text would cost more than the hashing itself. */
const BATCH_LENGTH = 16_384;

/** Returns a short digest of a text: 22 characters of base64url. */
export function digest(text: string): string {
  return shortDigest(createHash('sha256').update(text));
}

/** Returns a short digest of a parsed value. Equal values have equal digests, in any order of members. */
export function digestOf(value: unknown): string {
  const hash = createHash('sha256');
  let text = '';
  writeCanonical(value, (part) => {
    text += part;
    if (text.length < BATCH_LENGTH) return;
    hash.update(text);
    text = '';
  });
  return shortDigest(hash.update(text));
}

function shortDigest(hash: Hash): string {
  return hash.digest().subarray(0, DIGEST_BYTES).toString('base64url');
}

/** Writes JSON with members sorted by name. Safe to recurse: the depth of parsed documents is limited. */
function writeCanonical(value: unknown, write: (part: string) => void): void {
  if (Array.isArray(value)) {
    write('[');
    for (const [index, item] of value.entries()) {
      if (index > 0) write(',');
      writeCanonical(item, write);
    }
    write(']');
  } else if (typeof value !== 'object' || value === null) {
    write(JSON.stringify(value) ?? 'null');
  } else {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([one], [other]) => (one < other ? -1 : 1));
    let separator = '{';
    for (const [name, member] of members) {
      write(`${separator}${JSON.stringify(name)}:`);
      writeCanonical(member, write);
      separator = ',';
    }
    write(members.length === 0 ? '{}' : '}');
  }
}
