import { MAX_DEPTH } from '../protocol/links/link-reader.js';

/** The error for a text that is not a feed. `found` says what it is, such as `an HTML page`. */
export function notAFeedError(found: string): SyntaxError {
  return new SyntaxError(`The document is not a feed; it is ${found}`);
}

/** The error for XML that is not well-formed. `problem` continues the sentence, such as `a comment is not closed`. */
export function malformedXmlError(problem: string, options?: ErrorOptions): SyntaxError {
  return new SyntaxError(`Malformed XML: ${problem}`, options);
}

/** The error for a document over one of the bounds of PROTOCOL D12. `subject` is the document or a part of it. */
export function tooManyError(subject: string, limit: number, items: string): RangeError {
  return new RangeError(`${subject} has more than ${limit} ${items}`);
}

/** The error for a document that is nested too deep. */
export function tooDeepError(subject: string): RangeError {
  return new RangeError(`${subject} is nested more than ${MAX_DEPTH} levels deep`);
}

/** Shortens a text of a document for an error message. */
export function excerpt(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
