/** Takes the members of the outermost object. */
export interface MemberHandler {
  /**
   * A member begins.
   *
   * @param name as written, with its quotes and escapes
   * @returns whether the text of its value is wanted, or whether reading ends here
   */
  member(name: string): 'keep' | 'skip' | 'stop';
  /**
   * The member's value has ended, or an element of it where the value is an array.
   *
   * @param text as written; undefined where it is not wanted, or longer than is kept
   */
  value(text: string | undefined, isElement: boolean): void;
}

/** Characters kept of a name, and of a value. */
const MAX_NAME_LENGTH = 64;
const MAX_VALUE_LENGTH = 65_536;

const [QUOTE, BACKSLASH, COMMA, COLON] = [34, 92, 44, 58];
const [OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET] = [123, 125, 91, 93];

/**
 * Reads the members of the outermost object in JSON that arrives piece by piece. Each character is looked at once, however
 * the text is cut, and no more than one value is kept. Text that is no JSON gives some members or none, never an error.
 *
 * @returns takes the next piece
 */
export function createMemberReader(handler: MemberHandler): (piece: string) => void {
  let depth = 0;
  let place: 'before' | 'name' | 'value' | 'elements' | 'between' | 'over' = 'before';
  let isInString = false;
  let isEscaped = false;
  /** Of the name, value or element being read: where it begins in this piece, and its text in earlier ones. */
  let startsAt = 0;
  let earlier = '';
  /** The length at which it is too long to be kept. */
  let maxLength = 0;

  function begin(what: 'name' | 'value' | 'elements', index: number, length: number): void {
    place = what;
    startsAt = index;
    earlier = '';
    maxLength = length;
  }

  function textUntil(piece: string, index: number): string | undefined {
    const length = earlier.length + index - startsAt;
    return length > maxLength ? undefined : (earlier + piece.slice(startsAt, index)).trim();
  }

  function open(code: number, index: number): void {
    depth += 1;
    if (depth === 1 && code === OPEN_BRACE) begin('name', index, MAX_NAME_LENGTH);
    else if (depth === 1) place = 'over';
    else if (depth === 2 && code === OPEN_BRACKET && place === 'value') begin('elements', index, maxLength);
  }

  function close(piece: string, index: number): void {
    depth -= 1;
    if (depth === 1 && place === 'elements') {
      handler.value(textUntil(piece, index), true);
      place = 'between';
    } else if (depth === 0) {
      if (place === 'value') handler.value(textUntil(piece, index), false);
      place = 'over';
    }
  }

  function separate(piece: string, index: number): void {
    if (depth === 2 && place === 'elements') {
      handler.value(textUntil(piece, index), true);
      begin('elements', index + 1, maxLength);
    } else if (depth === 1) {
      if (place === 'value') handler.value(textUntil(piece, index), false);
      begin('name', index + 1, MAX_NAME_LENGTH);
    }
  }

  /** @returns whether anything that follows matters */
  function readOutside(code: number, piece: string, index: number): boolean {
    if (place === 'over') return false;
    if (code === QUOTE) isInString = true;
    else if (code === OPEN_BRACE || code === OPEN_BRACKET) open(code, index + 1);
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) close(piece, index);
    else if (code === COMMA) separate(piece, index);
    else if (code === COLON && place === 'name' && depth === 1) {
      const wanted = handler.member(textUntil(piece, index) ?? '');
      begin('value', index + 1, wanted === 'keep' ? MAX_VALUE_LENGTH : -1);
      if (wanted === 'stop') place = 'over';
    }
    return place !== 'over';
  }

  return (piece) => {
    startsAt = 0;
    for (let index = 0; index < piece.length; index += 1) {
      const code = piece.charCodeAt(index);
      if (!isInString) {
        if (!readOutside(code, piece, index)) return;
      } else if (isEscaped) isEscaped = false;
      else if (code === BACKSLASH) isEscaped = true;
      else if (code === QUOTE) isInString = false;
    }
    // A text that is too long already is not added to.
    if (earlier.length <= maxLength) earlier += piece.slice(startsAt);
  };
}
