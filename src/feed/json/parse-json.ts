import { tooDeepError, tooManyError } from '../feed-error.js';
import { MAX_DEPTH } from '../../protocol/links/link-reader.js';

const QUOTE = 34;
const BACKSLASH = 92;
const COMMA = 44;
const OPENING = 123;
const CLOSING = 125;

/**
 * Parses JSON within the bounds of PROTOCOL D12, so that later recursion over the result is safe.
 *
 * @param maxValues the most values in objects and arrays, counting also each object and array
 * @throws SyntaxError when the text is not well-formed
 * @throws RangeError when the JSON is nested more than 512 deep, or has more than `maxValues` values
 */
export function parseJson(text: string, maxValues = Infinity): unknown {
  checkBounds(text, maxValues);
  return JSON.parse(text.replace(/^\uFEFF/, ''));
}

/** Checks each character once. Strings are skipped by searching for their end. */
function checkBounds(text: string, maxValues: number): void {
  if (maxValues === Infinity && hasFewContainers(text)) return;
  let depth = 0;
  let values = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = endOfString(text, at);
      continue;
    }
    // `[` and `{` differ in one bit, as do `]` and `}`.
    const bracket = code | 32;
    if (bracket === CLOSING) {
      depth -= 1;
    } else if (bracket === OPENING || code === COMMA) {
      values += 1;
      if (bracket === OPENING) depth += 1;
      if (depth > MAX_DEPTH) throw tooDeepError('The JSON');
      if (values > maxValues) throw tooManyError('The JSON', maxValues, 'values');
    }
  }
}

/** Whether there are too few brackets to nest too deep. Most JSON has few and needs no further check. */
function hasFewContainers(text: string): boolean {
  let remaining = MAX_DEPTH;
  for (const bracket of ['{', '[']) {
    for (let at = text.indexOf(bracket); at !== -1; at = text.indexOf(bracket, at + 1)) {
      if (remaining === 0) return false;
      remaining -= 1;
    }
  }
  return true;
}

/** Returns the index of the closing quote, or the length of the text. */
function endOfString(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes += 1;
    if (backslashes % 2 === 0) return at;
  }
  return text.length;
}
