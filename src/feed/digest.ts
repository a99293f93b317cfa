import { createHash, type Hash } from 'node:crypto';

/** How much of a SHA-256 tells any two things apart that come together here. */
const BYTES = 16;

/** Texts are hashed together up to this length: a call for each would cost more than its hashing. */
const TOGETHER = 16_384;

/** A short digest of a text: 22 characters of base64url. */
export function digest(text: string): string {
  return shortened(createHash('sha256').update(text));
}

/** A short digest of a value that came from a document: equal for equal values, whatever the order of members. */
export function digestOf(value: unknown): string {
  const hash = createHash('sha256');
  let text = '';
  writeCanonical(value, (part) => {
    text += part;
    if (text.length < TOGETHER) return;
    hash.update(text);
    text = '';
  });
  return shortened(hash.update(text));
}

function shortened(hash: Hash): string {
  return hash.digest().subarray(0, BYTES).toString('base64url');
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
