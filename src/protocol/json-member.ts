/**
 * Finds a member of the top object in JSON that arrives piece by piece. Each character is looked at once, however the
 * text is cut.
 *
 * @param name of the member; found only where it is written without escapes
 * @returns what takes the next piece, and returns the index of the name's opening quote in all the text so far once the
 *   colon behind the name was seen; to be called no more from then on
 */
export function createMemberFinder(name: string): (piece: string) => number | undefined {
  const sought = JSON.stringify(name);
  let length = 0;
  let depth = 0;
  let isInString = false;
  let isEscaped = false;
  let isNamed = false;
  /** The string last begun, as far as it matters. */
  let string = '';
  let startedAt = 0;

  function readInString(character: string): void {
    if (string.length <= sought.length) string += character;
    if (isEscaped) isEscaped = false;
    else if (character === '\\') isEscaped = true;
    else if (character === '"') {
      isInString = false;
      isNamed = depth === 1 && string === sought;
    }
  }

  function readOutside(character: string, at: number): void {
    if (character === '"') {
      isInString = true;
      string = character;
      startedAt = at;
    } else if (character === '{' || character === '[') depth += 1;
    else if (character === '}' || character === ']') depth -= 1;
    if (!BLANK.has(character)) isNamed = false;
  }

  return (piece) => {
    for (let index = 0; index < piece.length; index += 1) {
      const character = piece.charAt(index);
      if (isInString) readInString(character);
      else if (isNamed && character === ':') return startedAt;
      else readOutside(character, length + index);
    }
    length += piece.length;
    return undefined;
  };
}

const BLANK: ReadonlySet<string> = new Set([' ', '\t', '\n', '\r']);
