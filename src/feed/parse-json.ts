import { MAX_DEPTH } from '../protocol/link-reader.js';

/**
 * Parses JSON that is nested no deeper than what walks through it later bears.
 *
 * @throws SyntaxError where it is not well-formed or deeper
 */
export function parseJson(text: string): unknown {
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (character === '"') at = endOfString(text, at);
    else if (character === '{' || character === '[') depth += 1;
    else if (character === '}' || character === ']') depth -= 1;
    if (depth > MAX_DEPTH) throw new SyntaxError(`The JSON is nested more than ${MAX_DEPTH} deep`);
  }
  return JSON.parse(text.replace(/^\uFEFF/, ''));
}

/** The index of its closing quote, or the length of the text. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (character === '\\') at += 1;
    else if (character === '"') return at;
  }
  return text.length;
}
