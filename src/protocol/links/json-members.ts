/** Receives the members of the outermost object. */
export interface MemberHandler {
  /**
   * Called when a member begins.
   *
   * @param name as written, with its quotes and escapes
   * @returns whether to keep the text of its value, skip it, or stop reading
   */
  member(name: string): 'keep' | 'skip' | 'stop';
  /**
   * Called when the member's value ends. If the value is an array, called at the end of each element instead.
   *
   * @param text as written; undefined when it was skipped or is too long to keep
   */
  value(text: string | undefined, isElement: boolean): void;
}

/** The longest name and the longest value that are kept, in characters. Longer ones are dropped. */
const MAX_NAME_LENGTH = 64;
const MAX_VALUE_LENGTH = 65_536;

const [QUOTE, BACKSLASH, COMMA, COLON] = [34, 92, 44, 58];
const [OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET] = [123, 125, 91, 93];

/**
 * Reads the members of the outermost object in JSON that arrives in chunks. Each character is checked once, and at most
 * one value is kept. Text that is not JSON gives some members or none, never an error.
 *
 * @returns a function that takes the next chunk
 */
export function createMemberReader(handler: MemberHandler): (chunk: string) => void {
  let depth = 0;
  let place: 'before' | 'name' | 'value' | 'elements' | 'between' | 'over' = 'before';
  let isInString = false;
  let isEscaped = false;
  /** The start of the current name, value or element in this chunk, and its text from earlier chunks. */
  let startsAt = 0;
  let earlierText = '';
  /** The maximum length of the current text. A longer text is not kept; -1 keeps none. */
  let maxLength = 0;

  function begin(nextPlace: 'name' | 'value' | 'elements', index: number, length: number): void {
    place = nextPlace;
    startsAt = index;
    earlierText = '';
    maxLength = length;
  }

  function textUntil(chunk: string, index: number): string | undefined {
    const length = earlierText.length + index - startsAt;
    return length > maxLength ? undefined : (earlierText + chunk.slice(startsAt, index)).trim();
  }

  function open(code: number, index: number): void {
    depth += 1;
    if (depth === 1 && code === OPEN_BRACE) begin('name', index, MAX_NAME_LENGTH);
    else if (depth === 1) place = 'over';
    else if (depth === 2 && code === OPEN_BRACKET && place === 'value') begin('elements', index, maxLength);
  }

  function close(chunk: string, index: number): void {
    depth -= 1;
    if (depth === 1 && place === 'elements') {
      handler.value(textUntil(chunk, index), true);
      place = 'between';
    } else if (depth === 0) {
      if (place === 'value') handler.value(textUntil(chunk, index), false);
      place = 'over';
    }
  }

  function separate(chunk: string, index: number): void {
    if (depth === 2 && place === 'elements') {
      handler.value(textUntil(chunk, index), true);
      begin('elements', index + 1, maxLength);
    } else if (depth === 1) {
      if (place === 'value') handler.value(textUntil(chunk, index), false);
      begin('name', index + 1, MAX_NAME_LENGTH);
    }
  }

  /** @returns whether later text still matters */
  function readOutside(code: number, chunk: string, index: number): boolean {
    if (place === 'over') return false;
    if (code === QUOTE) isInString = true;
    else if (code === OPEN_BRACE || code === OPEN_BRACKET) open(code, index + 1);
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) close(chunk, index);
    else if (code === COMMA) separate(chunk, index);
    else if (code === COLON && place === 'name' && depth === 1) {
      const decision = handler.member(textUntil(chunk, index) ?? '');
      begin('value', index + 1, decision === 'keep' ? MAX_VALUE_LENGTH : -1);
      if (decision === 'stop') place = 'over';
    }
    return place !== 'over';
  }

  return (chunk) => {
    startsAt = 0;
    for (let index = 0; index < chunk.length; index += 1) {
      const code = chunk.charCodeAt(index);
      if (!isInString) {
        if (!readOutside(code, chunk, index)) return;
      } else if (isEscaped) isEscaped = false;
      else if (code === BACKSLASH) isEscaped = true;
      else if (code === QUOTE) isInString = false;
    }
    // Do not extend a text that is already too long.
    if (earlierText.length <= maxLength) earlierText += chunk.slice(startsAt);
  };
}
