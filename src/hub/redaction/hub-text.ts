import { redactRanges, fragmentFinder, type TextRange } from './secret-fragments.js';

/** Maximum length of a hub's text in a message, in bytes. */
const MAX_TEXT_BYTES = 1024;

/** Minimum length of a callback token, in characters. A shorter last path segment is a name. */
const MIN_TOKEN_LENGTH = 16;

/** Turns a hub's text into text that is safe in an error or a log. */
export type Redactor = (text: string) => string;

/**
 * Makes a hub's text safe for a message.
 *
 * Redacts the secrets and every fragment of them with eight or more characters, also encoded ones (`fragmentFinder`).
 * Replaces control and formatting characters by spaces, and cuts the text after 1 KiB.
 */
export function hubTextRedactor(secrets: readonly string[]): Redactor {
  const maxLength = bytesToRead(secrets);
  const findFragments = fragmentFinder(secrets);
  const redact = createRedactor(secrets, findFragments);
  return (text) => {
    if (text === '') return '';
    const clean = redact(text.slice(0, maxLength))
      .replace(/[\p{C}\s]+/gu, ' ')
      .trim();
    // Searched again: the replaced characters may have hidden a fragment.
    return truncate(redactRanges(clean, findFragments(clean)));
  };
}

/** Maximum length of `hub.reason` in a message, in characters (PROTOCOL N1). */
const MAX_REASON_LENGTH = 256;

/** Like `hubTextRedactor`, for a `hub.reason`. Escapes control and formatting characters. Cuts after 256 characters. */
export function reasonRedactor(secrets: readonly string[]): Redactor {
  const redact = secretRedactor(secrets);
  const maxLength = bytesToRead(secrets);
  return (text) => {
    const plain = redact(text.slice(0, maxLength)).replaceAll(/^[\p{C}\s]+|[\p{C}\s]+$/gu, '');
    const characters = Array.from(plain);
    const kept = characters.length > MAX_REASON_LENGTH ? `${characters.slice(0, MAX_REASON_LENGTH).join('')}…` : plain;
    return kept.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, escapedCharacter);
  };
}

const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  '\n': String.raw`\n`,
  '\r': String.raw`\r`,
  '\t': String.raw`\t`,
};

function escapedCharacter(character: string): string {
  const number = (character.codePointAt(0) ?? 0).toString(16);
  return SHORT_ESCAPES[character] ?? (number.length > 4 ? `\\u{${number}}` : `\\u${number.padStart(4, '0')}`);
}

/** Redacts secrets and fragments of them from texts, and changes nothing else. */
export function secretRedactor(secrets: readonly string[]): (text: string) => string {
  return createRedactor(secrets, fragmentFinder(secrets));
}

function createRedactor(
  secrets: readonly string[],
  findFragments: ReturnType<typeof fragmentFinder>,
): (text: string) => string {
  // Built on demand: most hubs send no text.
  let pattern: RegExp | 'none' | undefined;
  return (text) => {
    pattern ??= patternOf(secrets);
    const whole = pattern === 'none' ? [] : [...text.matchAll(pattern)].map(rangeOf);
    return redactRanges(text, [...findFragments(text), ...whole]);
  };
}

const rangeOf = ({ index, 0: { length } }: RegExpExecArray): TextRange => [index, index + length];

function patternOf(secrets: readonly string[]): RegExp | 'none' {
  const variants = secrets.filter((secret) => secret !== '').flatMap(encodingsOf);
  // Longest first: if one secret is the beginning of another, the rest of the longer one must not stay.
  const pattern = variants
    .sort((one, other) => other.length - one.length)
    .map(escapeForRegExp)
    .join('|');
  return pattern === '' ? 'none' : new RegExp(pattern, 'gi');
}

/**
 * The secrets of a callback, for redaction: its URL, and the token at the end of its path. A short path that the user
 * chose is no token: redacting `/1` would spoil every number.
 */
export function callbackSecrets(callback: string): readonly string[] {
  const token = new URL(callback).pathname.split('/').findLast((segment) => segment !== '') ?? '';
  return token.length < MIN_TOKEN_LENGTH ? [callback] : [callback, token];
}

/** Bytes to read: the maximum text, one more character, and one whole secret at the cut. */
export function bytesToRead(secrets: readonly string[]): number {
  // Escaping for HTML or JSON makes at most six bytes of one byte of a secret.
  return MAX_TEXT_BYTES + 4 + 6 * Math.max(0, ...secrets.map((secret) => Buffer.byteLength(secret, 'utf8')));
}

/**
 * Reads the beginning of a body as UTF-8 and cancels the rest. Returns the received part of a body that breaks off or
 * is aborted: only the status of an answer decides, never its text.
 */
export async function readBeginning(body: ReadableStream<Uint8Array> | null, bytes: number): Promise<string> {
  if (body === null) return '';
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = '';
  let bytesLeft = bytes;
  try {
    while (bytesLeft > 0) {
      const { done, value } = await reader.read();
      if (done) break;
      text += decoder.decode(value.subarray(0, bytesLeft), { stream: true });
      bytesLeft -= value.length;
    }
    if (bytesLeft <= 0) await reader.cancel();
  } catch {
    return text;
  }
  return text;
}

/** The forms of a secret that a hub may echo: plain, form-encoded, percent-encoded, in JSON, in HTML. */
function encodingsOf(secret: string): readonly string[] {
  return [
    secret,
    new URLSearchParams([['', secret]]).toString().slice(1),
    // A buffer replaces lone surrogates, which encodeURIComponent would reject.
    encodeURIComponent(Buffer.from(secret, 'utf8').toString('utf8')),
    JSON.stringify(secret).slice(1, -1),
    htmlEscaped(secret, '&#39;'),
    htmlEscaped(secret, '&#x27;'),
  ];
}

function htmlEscaped(text: string, apostrophe: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", apostrophe);
}

const escapeForRegExp = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`);

function truncate(text: string): string {
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length <= MAX_TEXT_BYTES) return text;
  // In streaming mode, the decoder omits a character that the cut splits.
  return `${new TextDecoder().decode(bytes.subarray(0, MAX_TEXT_BYTES), { stream: true })}…`;
}
