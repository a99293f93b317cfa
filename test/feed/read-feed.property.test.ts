import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { entryVersions } from '../../src/feed/entry/entry-version.js';
import { readEntries } from '../../src/feed/read-feed.js';

/** A fixed seed, so that only a code change makes a run fail. Run `SEED=… npx vitest run …` for other documents. */
const SEED = Number(process.env['SEED'] ?? 20_260_101);

const DOCUMENTS = [
  `<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom" xmlns:at="http://purl.org/atompub/tombstones/1.0"
    xmlns:yt="http://www.youtube.com/xml/schemas/2015" xml:base="/x"><title type="html">&lt;b>F&lt;/b></title><entry><id>1</id>
    <title type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">a<b>c</b></div></title><link href="/e"/><yt:videoId>v</yt:videoId>
    <author><name>A</name><uri>/a</uri></author><updated>2026-01-01T00:00:00Z</updated><content type="html"><![CDATA[<p>]]></content>
    </entry><at:deleted-entry ref="2" when="2026-01-01T00:00:00Z"><at:by><name>B</name></at:by><link href="/d"/></at:deleted-entry></feed>`,
  `<!DOCTYPE rss [<!ENTITY a "b">]><rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>F</title>
    <managingEditor>a@example.com (A)</managingEditor><item><guid isPermaLink="true">https://a.example/</guid><author>b@example.com</author>
    <dc:creator>C</dc:creator><pubDate>Sat, 07 Sep 2002 00:00:01 GMT</pubDate><enclosure url="u" length="1" type="t"/></item></channel></rss>`,
  `<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"><channel rdf:about="c"><items>
    <rdf:Seq><rdf:li rdf:resource="i"/></rdf:Seq></items></channel><item rdf:about="i"><title>T</title><link>/i</link></item></rdf:RDF>`,
  `{"version":"https://jsonfeed.org/version/1.1","title":"F","authors":[{"name":"A"}],"items":[{"id":"1","url":"/e",
    "title":"T","date_published":"2026-01-01T00:00:00Z","tags":["a"],"_x":{"y":[1,null]}},{"id":2,"external_url":"https://b.example/"}]}`,
];

/** Text with a meaning in one of the formats. */
const TOKENS =
  `< > " ' & ; / = [ ] { } , : \u0000 \uFEFF \uD800 <!-- --> <![CDATA[ ]]> <? ?> </ /> <!DOCTYPE &#x110000; &#0; &lt; xmlns="" ` +
  `<length>9</length> <author> </author> <item> </item> <entry> </entry> <constructor/> <__proto__> null 1e999 "id": "items": "__proto__":`;

interface Edit {
  readonly at: number;
  readonly length: number;
  readonly inserted: string;
}

const edit = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  length: fc.nat(40),
  inserted: fc.oneof(fc.constantFrom(...TOKENS.split(' '), ' '), fc.string({ unit: 'binary', maxLength: 5 })),
});

function applyEdits(document: string, edits: readonly Edit[]): string {
  let text = document;
  for (const { at, length, inserted } of edits) {
    const start = Math.floor(at * text.length);
    text = text.slice(0, start) + inserted + text.slice(start + length);
  }
  return text;
}

/** Returns the entries; none when the text is refused with a SyntaxError. */
function readOrNone(text: string) {
  try {
    return readEntries(text, 'https://topic.example/');
  } catch (error) {
    if (error instanceof SyntaxError) return [];
    throw error;
  }
}

test('an edited document is read or refused with a SyntaxError, and each entry has an id', () => {
  fc.assert(
    fc.property(fc.constantFrom(...DOCUMENTS), fc.array(edit, { maxLength: 4 }), (document, edits) => {
      const entries = readOrNone(applyEdits(document, edits));
      expect(entries.filter(({ id }) => typeof id !== 'string' || id === '')).toEqual([]);
      expect(entryVersions(entries, 's')).toHaveLength(entries.length);
    }),
    { numRuns: 2_000, seed: SEED },
  );
});

test('random text has no entries or is refused with a SyntaxError', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.constantFrom('', '<', '{', '<feed>', '<!DOCTYPE '), (text, start) => {
      expect(readOrNone(start + text)).toEqual([]);
    }),
    { numRuns: 1_000, seed: SEED },
  );
});
