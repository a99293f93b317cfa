/** A text with its escapes decoded, and the offsets of its characters in the original text. */
export interface DecodedText {
  readonly text: string;
  /** For each decoded character, the offset in the original text where it (or its escape) begins. */
  readonly starts: readonly number[];
  /** For each decoded character, the offset in the original text after it (or its escape). */
  readonly ends: readonly number[];
}

const ESCAPE =
  /(?<percent>(?:%[0-9a-f]{2})+)|\\u(?<unicode>[0-9a-f]{4})|\\x(?<byte>[0-9a-f]{2})|\\(?<control>["'\\/bfnrt])|&#x(?<hex>[0-9a-f]{1,6});|&#(?<decimal>\d{1,7});|&(?<name>amp|lt|gt|quot|apos);/gi;

const CONTROL_ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };
const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** Maximum number of nested escapes to decode. */
const MAX_ESCAPE_DEPTH = 3;

/** The original text, then the text after each round of decoding percent-encoding and escapes of JSON and HTML. */
export function decodedTexts(text: string): readonly DecodedText[] {
  const units = Array.from({ length: text.length }, (_, index) => index);
  let decoded: DecodedText | undefined = { text, starts: units, ends: units.map((index) => index + 1) };
  const rounds: DecodedText[] = [];
  for (let depth = 0; decoded !== undefined && depth <= MAX_ESCAPE_DEPTH; depth += 1) {
    rounds.push(decoded);
    decoded = unescapeOnce(decoded);
  }
  return rounds;
}

/** Decodes one level of escapes; undefined if the text has none. */
function unescapeOnce(source: DecodedText): DecodedText | undefined {
  const builder = new DecodedTextBuilder(source);
  let at = 0;
  for (const match of source.text.matchAll(ESCAPE)) {
    builder.copy(at, match.index);
    at = match.index + match[0].length;
    const percent = match.groups?.['percent'];
    if (percent === undefined) builder.add(decodeEscape(match.groups ?? {}), match.index, at);
    else
      for (const { text, from, to } of charactersOf(percent)) builder.add(text, match.index + from, match.index + to);
  }
  if (at === 0) return undefined;
  builder.copy(at, source.text.length);
  return builder;
}

class DecodedTextBuilder implements DecodedText {
  text = '';
  readonly starts: number[] = [];
  readonly ends: number[] = [];
  readonly #source: DecodedText;

  constructor(source: DecodedText) {
    this.#source = source;
  }

  /** Copies characters that are not part of an escape. */
  copy(from: number, to: number): void {
    for (let at = from; at < to; at += 1) this.add(this.#source.text.charAt(at), at, at + 1);
  }

  /** Adds the decoded text of a range of the source. */
  add(text: string, from: number, to: number): void {
    for (const unit of text.split('')) {
      this.text += unit;
      this.starts.push(this.#source.starts[from] ?? 0);
      this.ends.push(this.#source.ends[to - 1] ?? 0);
    }
  }
}

function decodeEscape({
  unicode,
  byte,
  control,
  hex,
  decimal,
  name,
}: Readonly<Record<string, string | undefined>>): string {
  const digits = unicode ?? byte ?? hex;
  if (digits !== undefined) return characterOf(Number.parseInt(digits, 16));
  if (decimal !== undefined) return characterOf(Number(decimal));
  if (control !== undefined) return CONTROL_ESCAPES[control.toLowerCase()] ?? control;
  return ENTITIES[name?.toLowerCase() ?? ''] ?? '';
}

function characterOf(code: number): string {
  return code <= 0x10_ff_ff ? String.fromCodePoint(code) : '\ufffd';
}

/** The characters of percent-encoded UTF-8. A byte that begins no valid character is decoded as Latin-1. */
function* charactersOf(percent: string): Generator<{ text: string; from: number; to: number }> {
  const bytes = Buffer.from(percent.replaceAll('%', ''), 'hex');
  for (let at = 0; at < bytes.length;) {
    const length = lengthOf(bytes[at] ?? 0);
    const text = bytes.toString('utf8', at, at + length);
    const isWhole = !text.includes('\ufffd') && at + length <= bytes.length;
    const size = isWhole ? length : 1;
    yield { text: isWhole ? text : String.fromCharCode(bytes[at] ?? 0), from: at * 3, to: (at + size) * 3 };
    at += size;
  }
}

/** The length of a UTF-8 character by its first byte. */
function lengthOf(firstByte: number): number {
  if (firstByte >= 0xf0) return 4;
  if (firstByte >= 0xe0) return 3;
  return firstByte >= 0xc0 ? 2 : 1;
}
