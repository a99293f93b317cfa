import { createHash, type Hash } from 'node:crypto';

/** How much of a SHA-256 tells any two things apart that come together here. */
const DIGEST_BYTES = 16;

/** Texts are hashed together up to this length: a call for each would cost more than its hashing. */
const BATCH_LENGTH = 16_384;

/** A short digest of a text: 22 characters of base64url. */
export function digest(text: string): string {
  return shortDigest(createHash('sha256').update(text));
}

/** A short digest of a value that came from a document: equal for equal values, whatever the order of members. */
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

/** Writes JSON with members in the order of their names. Recursion ends: what is read is of limited depth. */
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
    let before = '{';
    for (const [name, member] of members) {
      write(`${before}${JSON.stringify(name)}:`);
      writeCanonical(member, write);
      before = ',';
    }
    write(members.length === 0 ? '{}' : '}');
  }
}
