/**
 * Characters that act on a terminal or its reader instead of being shown: C0 and C1 controls, DEL, line separators, and the
 * controls of bidirectional text.
 */
// oxlint-disable-next-line no-control-regex -- the pattern has to find them.
const CONTROL_CHARACTERS = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

const SHORT_ESCAPES = new Map([
  ['\n', String.raw`\n`],
  ['\r', String.raw`\r`],
  ['\t', String.raw`\t`],
]);

/** A text whose control characters are escaped, so that it stays on its line and cannot control the terminal. */
export function printable(text: string): string {
  return text.replaceAll(CONTROL_CHARACTERS, escapeCharacter);
}

function escapeCharacter(character: string): string {
  const code = character.charCodeAt(0);
  const hex = code < 0x100 ? `x${code.toString(16).padStart(2, '0')}` : `u${code.toString(16).padStart(4, '0')}`;
  return SHORT_ESCAPES.get(character) ?? `\\${hex}`;
}
