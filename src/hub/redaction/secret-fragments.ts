import { decodedTexts } from './unescape.js';

/** Characters of a secret, as it is or encoded, that give it away. */
const FRAGMENT_LENGTH = 8;

/** A range of a text. */
export type TextRange = readonly [start: number, end: number];

/**
 * Finds every run of eight characters or more of secrets in texts: as they are, in hex, in base64 or base64url (also where they
 * are a part of a longer text that is encoded so), each also percent-encoded or with the escapes of JSON or HTML. Upper and lower
 * case are the same. Shorter secrets are not looked for, but for what is long enough when encoded.
 */
export function fragmentFinder(secrets: readonly string[]): (text: string) => readonly TextRange[] {
  let runs: ReadonlySet<string> | undefined;
  return (text) => {
    if (text.length < FRAGMENT_LENGTH) return [];
    runs ??= new Set(secrets.flatMap(formsOf).flatMap(fragmentsOf));
    return runs.size === 0 ? [] : rangesOf(text, runs);
  };
}

/** The text with a mark in place of each of the ranges; those that touch get one. */
export function redactRanges(text: string, ranges: readonly TextRange[]): string {
  let kept = '';
  let at = -1;
  for (const [start, end] of ranges.toSorted(([one], [other]) => one - other)) {
    if (start > at) kept += `${text.slice(Math.max(0, at), start)}[redacted]`;
    at = Math.max(at, end);
  }
  return kept + text.slice(Math.max(0, at));
}

/** The forms in which a secret may be written, escapes apart. */
function formsOf(secret: string): readonly string[] {
  // Of a callback the token alone is secret. `https://` is eight characters long.
  if (/^https?:\/\//i.test(secret)) return [];
  // A header carries one byte a character, whatever its reader takes that for.
  const encodings = isAscii(secret) ? (['utf8'] as const) : (['utf8', 'latin1'] as const);
  return [secret, ...encodings.flatMap((encoding) => encodedForms(Buffer.from(secret, encoding)))];
}

function encodedForms(bytes: Buffer): readonly string[] {
  const base64 = [0, 1, 2].map((before) => base64AtOffset(bytes, before));
  const base64url = base64.map((form) => form.replaceAll('+', '-').replaceAll('/', '_'));
  return [bytes.toString('hex'), ...base64, ...base64url];
}

/** The base64 of bytes that come after so many others: the characters that depend on neither what is before nor after. */
function base64AtOffset(bytes: Uint8Array, before: number): string {
  const bits = 8 * (before + bytes.length);
  const encoded = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64');
  return encoded.slice(Math.ceil((8 * before) / 6), Math.floor(bits / 6));
}

function fragmentsOf(form: string): readonly string[] {
  const text = normalize(form);
  return Array.from({ length: Math.max(0, text.length - FRAGMENT_LENGTH + 1) }, (_, at) =>
    text.slice(at, at + FRAGMENT_LENGTH),
  );
}

function rangesOf(text: string, runs: ReadonlySet<string>): readonly TextRange[] {
  const ranges: TextRange[] = [];
  for (const decoded of decodedTexts(text)) {
    const normalized = normalize(decoded.text);
    for (let at = 0; at + FRAGMENT_LENGTH <= normalized.length; at += 1) {
      if (!runs.has(normalized.slice(at, at + FRAGMENT_LENGTH))) continue;
      ranges.push([decoded.starts[at] ?? 0, decoded.ends[at + FRAGMENT_LENGTH - 1] ?? 0]);
    }
  }
  return ranges;
}

/** One case, and one way to write a space, which forms write as `+`. The length stays. */
function normalize(text: string): string {
  const lower = isAscii(text) ? text.toLowerCase() : text.split('').map(lowerCodeUnit).join('');
  return lower.replaceAll(' ', '+');
}

/** Of a unit by itself: in a text, a letter may become two, or another one at the end of a word. */
function lowerCodeUnit(unit: string): string {
  const lower = unit.toLowerCase();
  return lower.length === 1 ? lower : unit;
}

function isAscii(text: string): boolean {
  return !/[^\0-\x7f]/.test(text);
}
