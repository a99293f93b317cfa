/** A text as it reads when escapes are undone, and where each of its characters stands in the text as it was written. */
export interface DecodedText {
  readonly text: string;
  /** Offset of the first character written for each character read. */
  readonly starts: readonly number[];
  /** Offset behind the last one. */
  readonly ends: readonly number[];
}

const ESCAPE =
  /(?<percent>(?:%[0-9a-f]{2})+)|\\u(?<unicode>[0-9a-f]{4})|\\x(?<byte>[0-9a-f]{2})|\\(?<control>["'\\/bfnrt])|&#x(?<hex>[0-9a-f]{1,6});|&#(?<decimal>\d{1,7});|&(?<name>amp|lt|gt|quot|apos);/gi;

const CONTROL_ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };
const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** Escapes within escapes are undone so many times. */
const MAX_ESCAPE_DEPTH = 3;

/** A text as it is written, and as it reads when percent-encoding and the escapes of JSON and HTML are undone, once or more. */
export function decodedTexts(text: string): readonly DecodedText[] {
  const units = Array.from({ length: text.length }, (_, index) => index);
  let reading: DecodedText | undefined = { text, starts: units, ends: units.map((index) => index + 1) };
  const readings: DecodedText[] = [];
  for (let depth = 0; reading !== undefined && depth <= MAX_ESCAPE_DEPTH; depth += 1) {
    readings.push(reading);
    reading = unescapeOnce(reading);
  }
  return readings;
}

function unescapeOnce(reading: DecodedText): DecodedText | undefined {
  const builder = new DecodedTextBuilder(reading);
  let at = 0;
  for (const match of reading.text.matchAll(ESCAPE)) {
    builder.copy(at, match.index);
    at = match.index + match[0].length;
    const percent = match.groups?.['percent'];
    if (percent === undefined) builder.add(decodeEscape(match.groups ?? {}), match.index, at);
    else
      for (const { text, from, to } of charactersOf(percent)) builder.add(text, match.index + from, match.index + to);
  }
  if (at === 0) return undefined;
  builder.copy(at, reading.text.length);
  return builder;
}

class DecodedTextBuilder implements DecodedText {
  text = '';
  readonly starts: number[] = [];
  readonly ends: number[] = [];
  readonly #from: DecodedText;

  constructor(from: DecodedText) {
    this.#from = from;
  }

  /** Takes over characters that are no escapes. */
  copy(from: number, to: number): void {
    for (let at = from; at < to; at += 1) this.add(this.#from.text.charAt(at), at, at + 1);
  }

  /** Adds what a part of the text before stands for. */
  add(text: string, from: number, to: number): void {
    for (const unit of text.split('')) {
      this.text += unit;
      this.starts.push(this.#from.starts[from] ?? 0);
      this.ends.push(this.#from.ends[to - 1] ?? 0);
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

/** The characters of percent-encoded UTF-8. A byte that begins none is one by itself, as in Latin-1. */
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

function lengthOf(first: number): number {
  if (first >= 0xf0) return 4;
  if (first >= 0xe0) return 3;
  return first >= 0xc0 ? 2 : 1;
}
