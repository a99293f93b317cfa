import { redactRanges, fragmentFinder, type TextRange } from './secret-fragments.js';

/** How much of a hub's own words is kept, in bytes. */
const MAX_TEXT_BYTES = 1024;

/** A last path segment shorter than this is a name rather than a token, in characters. */
const MIN_TOKEN_LENGTH = 16;

/** Turns what a hub wrote into text that can stand in an error or a log. */
export type Redactor = (text: string) => string;

/**
 * Makes a hub's words fit for a message. The secrets given are taken out, and so is every run of eight characters or more of
 * them, also where the hub wrote them encoded (`runFinder`). Control and formatting characters become spaces, and what is past
 * 1 KiB is cut.
 */
export function hubTextRedactor(secrets: readonly string[]): Redactor {
  const maxLength = bytesToRead(secrets);
  const runsIn = fragmentFinder(secrets);
  const redact = createRedactor(secrets, runsIn);
  return (text) => {
    if (text === '') return '';
    const clean = redact(text.slice(0, maxLength))
      .replace(/[\p{C}\s]+/gu, ' ')
      .trim();
    // Once more, as what was written within a secret is gone.
    return truncate(redactRanges(clean, runsIn(clean)));
  };
}

/** Messages cut `hub.reason` at this many characters (PROTOCOL N1). */
const MAX_REASON_LENGTH = 256;

/** As `hubWords`, for a `hub.reason`: control and formatting characters are escaped, and what is past 256 characters is cut. */
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

/** Takes secrets out of texts, and runs of them, and leaves all else as it is. */
export function secretRedactor(secrets: readonly string[]): (text: string) => string {
  return createRedactor(secrets, fragmentFinder(secrets));
}

function createRedactor(
  secrets: readonly string[],
  runsIn: ReturnType<typeof fragmentFinder>,
): (text: string) => string {
  // Most hubs say nothing, and need no pattern.
  let pattern: RegExp | 'none' | undefined;
  return (text) => {
    pattern ??= patternOf(secrets);
    const whole = pattern === 'none' ? [] : [...text.matchAll(pattern)].map(rangeOf);
    return redactRanges(text, [...runsIn(text), ...whole]);
  };
}

const rangeOf = ({ index, 0: { length } }: RegExpExecArray): TextRange => [index, index + length];

function patternOf(secrets: readonly string[]): RegExp | 'none' {
  const variants = secrets.filter((secret) => secret !== '').flatMap(encodingsOf);
  // The longest first, so that no secret that begins with another leaves its end behind.
  const pattern = variants
    .sort((one, other) => other.length - one.length)
    .map(escapeForRegExp)
    .join('|');
  return pattern === '' ? 'none' : new RegExp(pattern, 'gi');
}

/**
 * What a callback is reached by, for keeping it out of messages: its URL, and the token that ends its path. A short path
 * of the user's own is no token: taking out `/1` would spoil every number.
 */
export function callbackSecrets(callback: string): readonly string[] {
  const token = new URL(callback).pathname.split('/').findLast((segment) => segment !== '') ?? '';
  return token.length < MIN_TOKEN_LENGTH ? [callback] : [callback, token];
}

/** The bytes to read of an answer to see that it is longer than the part kept, and a secret in that part to its end. */
export function bytesToRead(secrets: readonly string[]): number {
  // A character takes six bytes at most for each of its own, as HTML or JSON writes it.
  return MAX_TEXT_BYTES + 4 + 6 * Math.max(0, ...secrets.map((secret) => Buffer.byteLength(secret, 'utf8')));
}

/**
 * Reads the beginning of a body as UTF-8 and lets go of the rest. A body that breaks off or is aborted counts as far as
 * it came: what a hub says beside its status never decides anything.
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

/** The ways a secret may come back: as it is, form-encoded, percent-encoded, in JSON, in HTML. */
function encodingsOf(secret: string): readonly string[] {
  return [
    secret,
    new URLSearchParams([['', secret]]).toString().slice(1),
    // Through a buffer, as half a surrogate pair cannot be encoded.
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
  // Streaming, the decoder keeps back the character that the cut goes through.
  return `${new TextDecoder().decode(bytes.subarray(0, MAX_TEXT_BYTES), { stream: true })}…`;
}
