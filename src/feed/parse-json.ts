import { MAX_DEPTH } from '../protocol/link-reader.js';

const QUOTE = 34;
const BACKSLASH = 92;

/**
 * Parses JSON within the bounds of PROTOCOL D12: whatever walks through it later bears its depth.
 *
 * @param maxContainers how many objects and arrays it may have
 * @throws SyntaxError where it is not well-formed
 * @throws RangeError where it is nested more than 512 deep, or has more objects and arrays
 */
export function parseJson(text: string, maxContainers = Infinity): unknown {
  checkBounds(text, maxContainers);
  return JSON.parse(text.replace(/^\uFEFF/, ''));
}

/** Each character is looked at once, strings apart: their ends are searched for. */
function checkBounds(text: string, maxContainers: number): void {
  if (hasFewContainers(text)) return;
  let depth = 0;
  let containers = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = endOfString(text, at);
      continue;
    }
    // `[` and `{`, `]` and `}`: each pair differs in one bit.
    const bracket = code | 32;
    if (bracket === 125) depth -= 1;
    else if (bracket === 123) {
      depth += 1;
      containers += 1;
      if (depth > MAX_DEPTH) throw new RangeError(`The JSON is nested more than ${MAX_DEPTH} deep`);
      if (containers > maxContainers) {
        throw new RangeError(`The JSON has more than ${maxContainers} objects and arrays`);
      }
    }
  }
}

/** Whether there are too few brackets to nest too deep. Most JSON has few, and is not looked at any closer. */
function hasFewContainers(text: string): boolean {
  let left = MAX_DEPTH;
  for (const bracket of ['{', '[']) {
    for (let at = text.indexOf(bracket); at !== -1; at = text.indexOf(bracket, at + 1)) {
      if (left === 0) return false;
      left -= 1;
    }
  }
  return true;
}

/** The index of its closing quote, or the length of the text. */
function endOfString(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes += 1;
    if (backslashes % 2 === 0) return at;
  }
  return text.length;
}
