import { decodedTexts } from './unescape.js';

/** Minimum length of a redacted fragment of a plain or encoded secret, in characters. */
const FRAGMENT_LENGTH = 8;

/** A range of a text, without the character at `end`. */
export type TextRange = readonly [start: number, end: number];

/**
 * Finds every fragment of a secret with eight or more characters in a text.
 *
 * It finds plain text, hex, base64 and base64url, also within a longer encoded text. Each may be percent-encoded or
 * have the escapes of JSON or HTML. Case does not matter. It finds a shorter secret only if an encoded form is long
 * enough.
 */
export function fragmentFinder(secrets: readonly string[]): (text: string) => readonly TextRange[] {
  let fragments: ReadonlySet<string> | undefined;
  return (text) => {
    if (text.length < FRAGMENT_LENGTH) return [];
    fragments ??= new Set(secrets.flatMap(formsOf).flatMap(fragmentsOf));
    return fragments.size === 0 ? [] : rangesOf(text, fragments);
  };
}

/** Replaces each range by `[redacted]`. Touching ranges get one mark. */
export function redactRanges(text: string, ranges: readonly TextRange[]): string {
  let kept = '';
  let at = -1;
  for (const [start, end] of ranges.toSorted(([one], [other]) => one - other)) {
    if (start > at) kept += `${text.slice(Math.max(0, at), start)}[redacted]`;
    at = Math.max(at, end);
  }
  return kept + text.slice(Math.max(0, at));
}

/** The plain and encoded forms of a secret, without escapes. */
function formsOf(secret: string): readonly string[] {
  // The token of a callback URL is a secret of its own. `https://` alone has eight characters and would match.
  if (/^https?:\/\//i.test(secret)) return [];
  // A header carries one byte per character. Its reader may decode the bytes as UTF-8 or Latin-1.
  const encodings = isAscii(secret) ? (['utf8'] as const) : (['utf8', 'latin1'] as const);
  return [secret, ...encodings.flatMap((encoding) => encodedForms(Buffer.from(secret, encoding)))];
}

function encodedForms(bytes: Buffer): readonly string[] {
  const base64 = [0, 1, 2].map((before) => base64AtOffset(bytes, before));
  const base64url = base64.map((form) => form.replaceAll('+', '-').replaceAll('/', '_'));
  return [bytes.toString('hex'), ...base64, ...base64url];
}

/** The base64 of `bytes` after `before` other bytes. Omits characters that also depend on the neighboring bytes. */
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

function rangesOf(text: string, fragments: ReadonlySet<string>): readonly TextRange[] {
  const ranges: TextRange[] = [];
  for (const decoded of decodedTexts(text)) {
    const normalized = normalize(decoded.text);
    for (let at = 0; at + FRAGMENT_LENGTH <= normalized.length; at += 1) {
      if (!fragments.has(normalized.slice(at, at + FRAGMENT_LENGTH))) continue;
      ranges.push([decoded.starts[at] ?? 0, decoded.ends[at + FRAGMENT_LENGTH - 1] ?? 0]);
    }
  }
  return ranges;
}

/** Lower case, and `+` for a space as in form encoding. Keeps the length. */
function normalize(text: string): string {
  const lower = isAscii(text) ? text.toLowerCase() : text.split('').map(lowerCodeUnit).join('');
  return lower.replaceAll(' ', '+');
}

/** Lowers one code unit. Lowering a whole text may double a letter, or change it at the end of a word. */
function lowerCodeUnit(unit: string): string {
  const lower = unit.toLowerCase();
  return lower.length === 1 ? lower : unit;
}

function isAscii(text: string): boolean {
  return !/[^\0-\x7f]/.test(text);
}
