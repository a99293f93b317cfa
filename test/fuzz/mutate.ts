/** The material an input is made from. */
export interface Material {
  /** Documents the parser can receive. */
  readonly seeds: readonly Buffer[];
  /** Returns a number from 0 to 1. */
  readonly random: () => number;
  readonly maxBytes: number;
}

/** Tokens with a meaning to some parser. */
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

/** Makes an input: a document with a few changed bytes or parts. */
export function mutate({ seeds, random, maxBytes }: Material): Buffer {
  const below = (limit: number): number => Math.floor(random() * limit);
  const anySeed = (): Buffer => seeds[below(seeds.length)] ?? Buffer.alloc(0);
  /** A part of a document, usually a short one. */
  const partOf = (bytes: Buffer): Buffer => {
    const start = below(bytes.length + 1);
    const longest = random() < 0.7 ? 32 : bytes.length;
    return bytes.subarray(start, start + below(longest) + 1);
  };
  const replacePart = (bytes: Buffer, index: number, length: number, inserted: Uint8Array): Buffer =>
    Buffer.concat([bytes.subarray(0, index), inserted, bytes.subarray(index + length)]);

  const mutations: readonly ((bytes: Buffer) => Buffer)[] = [
    // Flip one bit.
    (bytes) => {
      const index = below(bytes.length);
      const changed = Buffer.from(bytes);
      changed[index] = (bytes[index] ?? 0) ^ (1 << below(8));
      return changed;
    },
    // Replace one byte.
    (bytes) => replacePart(bytes, below(bytes.length + 1), 1, Buffer.from([below(256)])),
    // Delete a part.
    (bytes) => replacePart(bytes, below(bytes.length + 1), below(40) + 1, Buffer.alloc(0)),
    // Duplicate a part.
    (bytes) => replacePart(bytes, below(bytes.length + 1), 0, partOf(bytes)),
    // Insert a token, or replace some bytes with it.
    (bytes) => replacePart(bytes, below(bytes.length + 1), below(6), TOKENS[below(TOKENS.length)] ?? Buffer.alloc(0)),
    // Insert a part of another document.
    (bytes) => replacePart(bytes, below(bytes.length + 1), below(40), partOf(anySeed())),
    // Join the beginning of one document and the end of another.
    (bytes) => {
      const other = anySeed();
      return Buffer.concat([bytes.subarray(0, below(bytes.length + 1)), other.subarray(below(other.length + 1))]);
    },
    // Repeat a part many times.
    (bytes) => {
      const part = random() < 0.5 ? partOf(bytes) : (TOKENS[below(TOKENS.length)] ?? Buffer.from(' '));
      const length = part.length * (Math.floor(maxBytes ** random() / Math.max(1, part.length)) + 1);
      const filled = part.length === 0 ? part : Buffer.alloc(length, part);
      return replacePart(bytes, below(bytes.length + 1), 0, filled);
    },
    // Truncate.
    (bytes) => bytes.subarray(0, below(bytes.length + 1)),
  ];

  // Usually take a complete document. Cut a long one anywhere: its end matters as much as its beginning.
  const whole = seeds.filter(({ length }) => length <= maxBytes);
  const seed = whole.length > 0 && random() < 0.8 ? (whole[below(whole.length)] ?? anySeed()) : anySeed();
  const surplus = Math.max(0, seed.length - maxBytes);
  let bytes: Buffer = random() < 0.5 ? seed : seed.subarray(below(surplus + 1));
  bytes = bytes.subarray(0, maxBytes);
  for (let remaining = 1 + below(random() < 0.8 ? 4 : 30); remaining > 0; remaining -= 1) {
    bytes = (mutations[below(mutations.length)]?.(bytes) ?? bytes).subarray(0, maxBytes);
  }
  return bytes;
}
