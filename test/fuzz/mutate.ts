/** What an input is made from. */
export interface Material {
  /** Documents that the parser may get. */
  readonly seeds: readonly Buffer[];
  /** From 0 to 1. */
  readonly random: () => number;
  readonly maxBytes: number;
}

/** Pieces that mean something to one parser or another. */
const TOKENS = [
  ...`< > " ' & ; / = [ ] { } , : \\ % + ? # @ * - . 0 -1 1e999 null true \u0000 \uFEFF \uFFFD \r\n \n \t`.split(' '),
  ...'<!-- --> <![CDATA[ ]]> <? ?> </ /> <!DOCTYPE <!ENTITY &#x110000; &#0; &lt; &amp; &a; %00 %FF %E9 %u'.split(' '),
  ...'xmlns="" xmlns:a="b" xml:base="x" encoding="utf-16" charset=utf-7 <base href="/x"> <link rel="hub"'.split(' '),
  ...'<length>9</length> <author> </author> <item> </item> <entry> </entry> <constructor/> <__proto__>'.split(' '),
  ...'"id": "items": "hubs": "__proto__": rel=hub rel="self" rel*=utf-8\'\'hub title* ;; ,, <> sha1= sha256='.split(
    ' ',
  ),
  ...'hub.mode= hub.topic= hub.challenge= & &hub. Content-Length: Transfer-Encoding: chunked gzip br HTTP/1.1'.split(
    ' ',
  ),
  ...'2026-02-30 24:00:60 +9999 -0000 GMT CST Z * */0 0-60 L # 4294967296 9007199254740993'.split(' '),
  ' ',
].map((token) => Buffer.from(token));

/** Makes an input: a document with a few of its bytes, or of its parts, changed. */
export function mutated({ seeds, random, maxBytes }: Material): Buffer {
  const below = (limit: number): number => Math.floor(random() * limit);
  const anySeed = (): Buffer => seeds[below(seeds.length)] ?? Buffer.alloc(0);
  /** A part of a document; mostly a short one. */
  const partOf = (bytes: Buffer): Buffer => {
    const start = below(bytes.length + 1);
    const longest = random() < 0.7 ? 32 : bytes.length;
    return bytes.subarray(start, start + below(longest) + 1);
  };
  const replaced = (bytes: Buffer, at: number, length: number, inserted: Uint8Array): Buffer =>
    Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at + length)]);

  const mutations: readonly ((bytes: Buffer) => Buffer)[] = [
    // One bit is another.
    (bytes) => {
      const at = below(bytes.length);
      const changed = Buffer.from(bytes);
      changed[at] = (bytes[at] ?? 0) ^ (1 << below(8));
      return changed;
    },
    // One byte is another.
    (bytes) => replaced(bytes, below(bytes.length + 1), 1, Buffer.from([below(256)])),
    // A part is missing.
    (bytes) => replaced(bytes, below(bytes.length + 1), below(40) + 1, Buffer.alloc(0)),
    // A part is there twice.
    (bytes) => replaced(bytes, below(bytes.length + 1), 0, partOf(bytes)),
    // A token, in the place of something or between.
    (bytes) => replaced(bytes, below(bytes.length + 1), below(6), TOKENS[below(TOKENS.length)] ?? Buffer.alloc(0)),
    // A part of another document.
    (bytes) => replaced(bytes, below(bytes.length + 1), below(40), partOf(anySeed())),
    // The beginning of one document and the end of another.
    (bytes) => {
      const other = anySeed();
      return Buffer.concat([bytes.subarray(0, below(bytes.length + 1)), other.subarray(below(other.length + 1))]);
    },
    // A part many times.
    (bytes) => {
      const part = random() < 0.5 ? partOf(bytes) : (TOKENS[below(TOKENS.length)] ?? Buffer.from(' '));
      const length = part.length * (Math.floor(maxBytes ** random() / Math.max(1, part.length)) + 1);
      const filled = part.length === 0 ? part : Buffer.alloc(length, part);
      return replaced(bytes, below(bytes.length + 1), 0, filled);
    },
    // It breaks off.
    (bytes) => bytes.subarray(0, below(bytes.length + 1)),
  ];

  // Mostly a document that is whole; a long one is cut somewhere, as its end matters as well as its beginning.
  const whole = seeds.filter(({ length }) => length <= maxBytes);
  const seed = whole.length > 0 && random() < 0.8 ? (whole[below(whole.length)] ?? anySeed()) : anySeed();
  const surplus = Math.max(0, seed.length - maxBytes);
  let bytes: Buffer = random() < 0.5 ? seed : seed.subarray(below(surplus + 1));
  bytes = bytes.subarray(0, maxBytes);
  for (let left = 1 + below(random() < 0.8 ? 4 : 30); left > 0; left -= 1) {
    bytes = (mutations[below(mutations.length)]?.(bytes) ?? bytes).subarray(0, maxBytes);
  }
  return bytes;
}
