import { malformedXmlError } from '../feed-error.js';

/** The start of an XML or HTML document. */
export interface Prolog {
  /** Index of the root element; the length of the text when there is none. */
  readonly rootAt: number;
  /** The root's name as written; empty when there is no element. */
  readonly root: string;
  /** The name of the document type, in lower case; empty when there is none. */
  readonly doctype: string;
}

const WHITESPACE = /\s*/y;
const ROOT = /<([^\s<>/!?]+)/y;
const DOCTYPE = /<!doctype\s+([^\s>[]*)/iy;

/**
 * Finds the root of a document after white space, XML declaration, comments and document type (XML 1.0, section 2.8).
 *
 * @throws SyntaxError when one of them does not end
 */
export function readProlog(text: string): Prolog {
  let at = 0;
  let doctype = '';
  for (;;) {
    at += match(WHITESPACE, text, at)?.[0].length ?? 0;
    const declared = match(DOCTYPE, text, at);
    if (text.startsWith('<!--', at)) at = endAfter('-->', text, at + '<!--'.length, 'a comment');
    else if (text.startsWith('<?', at)) at = endAfter('?>', text, at, 'a processing instruction');
    else if (declared) {
      doctype = declared[1]?.toLowerCase() ?? '';
      at = endOfDoctype(text, at + declared[0].length);
    } else return { rootAt: at, root: match(ROOT, text, at)?.[1] ?? '', doctype };
  }
}

/** Returns the index after the closing `>`, ignoring literals, comments, instructions and the internal subset. */
function endOfDoctype(text: string, start: number): number {
  let isInSubset = false;
  for (let at = start; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (character === '"' || character === "'") at = endAfter(character, text, at + 1, 'a literal') - 1;
    else if (text.startsWith('<!--', at)) at = endAfter('-->', text, at + '<!--'.length, 'a comment') - 1;
    else if (text.startsWith('<?', at)) at = endAfter('?>', text, at, 'a processing instruction') - 1;
    else if (character === '[') isInSubset = true;
    else if (character === ']') isInSubset = false;
    else if (character === '>' && !isInSubset) return at + 1;
  }
  throw malformedXmlError('the document type is not closed');
}

function endAfter(end: string, text: string, from: number, construct: string): number {
  const at = text.indexOf(end, from);
  if (at === -1) throw malformedXmlError(`${construct} before the root element is not closed`);
  return at + end.length;
}

function match(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}
