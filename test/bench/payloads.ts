import type { Payload } from './scenario.js';

const KIB = 1024;

/** Fills a document up to an exact size with what `fill` gives for the bytes that are missing. */
function sized(size: number, document: (padding: string) => string): Buffer {
  const missing = size - Buffer.byteLength(document(''));
  return Buffer.from(document('lorem ipsum dolor sit amet '.repeat(Math.ceil(missing / 27)).slice(0, missing)));
}

/** 2 KiB of JSON: a typical event. */
export const json2k: Payload = {
  name: '2k-json',
  contentType: 'application/json',
  bytes: sized(2 * KIB, (text) =>
    JSON.stringify({ id: 'b9c1', kind: 'article.updated', at: '2025-01-01T00:00:00Z', tags: ['a', 'b'], text }),
  ),
};

/** 20 KiB of Atom: a typical feed. */
export const atom20k: Payload = { name: '20k-atom', contentType: 'application/atom+xml', bytes: sized(20 * KIB, atom) };

function atom(padding: string): string {
  const entries = 10;
  const share = Math.ceil(padding.length / entries);
  const entry = (_: unknown, index: number): string =>
    `<entry><id>urn:entry:${index}</id><title>Entry ${index}</title><updated>2025-01-01T00:00:00Z</updated>` +
    `<content>${padding.slice(index * share, (index + 1) * share)}</content></entry>`;
  return (
    '<?xml version="1.0" encoding="utf-8"?><feed xmlns="http://www.w3.org/2005/Atom"><id>urn:feed</id>' +
    `<title>Feed</title><updated>2025-01-01T00:00:00Z</updated>${Array.from({ length: entries }, entry).join('')}</feed>`
  );
}
