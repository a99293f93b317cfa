import type { Subject } from '../rounds.js';

const SIZE = 5 * 1024 * 1024;

/** A document with the hub links in its head. */
export interface LinkedDocument {
  readonly name: 'page' | 'feed';
  readonly contentType: string;
  /** The complete document. */
  readonly whole: Buffer;
  /** The same document without the content after the head. */
  readonly head: Buffer;
}

/** An HTML page and an Atom feed of 5 MiB, each also as a document of only its head. */
export function linkedDocuments({ hub, topic }: Subject): readonly LinkedDocument[] {
  const pageHead =
    `<!doctype html><html><head><meta charset="utf-8"><title>Blog</title><link rel="hub" href="${hub}">` +
    `<link rel="self" href="${topic}"></head><body>`;
  const feedHead =
    '<?xml version="1.0" encoding="utf-8"?><feed xmlns="http://www.w3.org/2005/Atom"><id>urn:feed</id><title>Feed</title>' +
    `<link rel="hub" href="${hub}"/><link rel="self" href="${topic}"/><updated>2025-01-01T00:00:00Z</updated>`;
  const entry =
    '<entry><id>urn:entry</id><title>Entry</title><updated>2025-01-01T00:00:00Z</updated>' +
    `<content>${'lorem ipsum dolor sit amet '.repeat(40)}</content></entry>`;
  const paragraph = `<p>${'lorem ipsum dolor sit amet '.repeat(40)}</p>`;
  const whole = (head: string, part: string, end: string): Buffer =>
    Buffer.from(`${head}${part.repeat(Math.ceil((SIZE - head.length - end.length) / part.length))}${end}`);
  return [
    {
      name: 'page',
      contentType: 'text/html',
      whole: whole(pageHead, paragraph, '</body></html>'),
      head: Buffer.from(`${pageHead}</body></html>`),
    },
    {
      name: 'feed',
      contentType: 'application/atom+xml',
      whole: whole(feedHead, entry, '</feed>'),
      // Includes one entry, because the first entry ends the head.
      head: Buffer.from(`${feedHead}${entry}</feed>`),
    },
  ];
}
