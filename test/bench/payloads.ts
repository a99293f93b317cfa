import type { Payload } from './scenario.js';

const KIB = 1024;

/** Builds a document of an exact size by padding it with filler text. */
function documentOfSize(size: number, document: (padding: string) => string): Buffer {
  const missing = size - Buffer.byteLength(document(''));
  return Buffer.from(document('lorem ipsum dolor sit amet '.repeat(Math.ceil(missing / 27)).slice(0, missing)));
}

/** 2 KiB of JSON: a typical event. */
export const json2k: Payload = {
  name: '2k-json',
  contentType: 'application/json',
  bytes: documentOfSize(2 * KIB, json),
};

/** 20 KiB of Atom: a typical feed. */
export const atom20k: Payload = {
  name: '20k-atom',
  contentType: 'application/atom+xml',
  bytes: documentOfSize(20 * KIB, atom),
};

/** 1 MiB of JSON, from a hub that lets publishers put everything into one event. */
export const json1m: Payload = {
  name: '1m-json',
  contentType: 'application/json',
  bytes: documentOfSize(KIB * KIB, json),
  mostConnections: 8,
};

function json(text: string): string {
  return JSON.stringify({ id: 'b9c1', kind: 'article.updated', at: '2025-01-01T00:00:00Z', tags: ['a', 'b'], text });
}

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

/** A feed whose entries are read. */
export interface FeedPayload extends Payload {
  readonly entries: number;
}

/** 2 KiB as YouTube's hub sends them: one video, with YouTube's own namespace. */
export const youtube2k: FeedPayload = {
  name: '2k-youtube',
  contentType: 'application/atom+xml',
  entries: 1,
  bytes: documentOfSize(2 * KIB, youtube),
};

/** 20 KiB of Atom with typical blog entries: authors, categories, a summary, HTML content. */
export const feed20k: FeedPayload = {
  name: '20k-blog',
  contentType: 'application/atom+xml',
  entries: 25,
  bytes: documentOfSize(20 * KIB, blog),
};

function youtube(padding: string): string {
  return `<?xml version='1.0' encoding='UTF-8'?>
<feed xmlns:yt="http://www.youtube.com/xml/schemas/2015" xmlns="http://www.w3.org/2005/Atom"
xmlns:media="http://search.yahoo.com/mrss/">
<link rel="hub" href="https://pubsubhubbub.appspot.com"/>
<link rel="self" href="https://www.youtube.com/xml/feeds/videos.xml?channel_id=UCbenchbenchbenchbench1A"/>
<title>YouTube video feed</title><updated>2025-01-01T10:00:05.123456789+00:00</updated>
<entry>
<id>yt:video:bench-video</id><yt:videoId>bench-video</yt:videoId><yt:channelId>UCbenchbenchbenchbench1A</yt:channelId>
<title>Ten ways to measure &amp; none to agree</title>
<link rel="alternate" href="https://www.youtube.com/watch?v=bench-video"/>
<author><name>A channel</name><uri>https://www.youtube.com/channel/UCbenchbenchbenchbench1A</uri></author>
<media:group><media:description>${padding}</media:description></media:group>
<published>2025-01-01T10:00:00+00:00</published><updated>2025-01-01T10:00:05.123456789+00:00</updated>
</entry>
</feed>
`;
}

function blog(padding: string): string {
  const entries = 25;
  const share = Math.ceil(padding.length / entries);
  const entry = (_: unknown, index: number): string =>
    `<entry><id>https://blog.example/posts/${index}</id><title type="html">Post ${index} &amp;amp; more</title>` +
    `<link rel="alternate" href="/posts/${index}"/><published>2025-01-01T00:00:00Z</published>` +
    `<updated>2025-01-02T00:00:00Z</updated><author><name>Ada</name><uri>/ada</uri></author>` +
    `<category term="news"/><summary>What post ${index} is about</summary><content type="html">` +
    `&lt;p&gt;${padding.slice(index * share, (index + 1) * share)}&lt;/p&gt;</content></entry>`;
  return (
    '<?xml version="1.0" encoding="utf-8"?><feed xmlns="http://www.w3.org/2005/Atom"><id>https://blog.example/</id>' +
    '<title>Blog</title><link rel="self" href="https://blog.example/feed"/><link rel="hub" href="https://hub.example/"/>' +
    `<updated>2025-01-02T00:00:00Z</updated>${Array.from({ length: entries }, entry).join('')}</feed>`
  );
}
