import { createHash } from 'node:crypto';

/** How much of a SHA-256 tells any two things apart that come together here. */
const BYTES = 16;

/** A short digest of a text: 22 characters of base64url. */
export function digest(text: string): string {
  return createHash('sha256').update(text).digest().subarray(0, BYTES).toString('base64url');
}

/** A short digest of a value that came from a document: equal for equal values, whatever the order of members. */
export function digestOf(value: unknown): string {
  return digest(canonical(value));
}

/** JSON with members in the order of their names. Recursion ends: what is read is of limited depth. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([one], [other]) => (one < other ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join()}}`;
}
