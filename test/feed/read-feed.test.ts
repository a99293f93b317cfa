import { describe, expect, test } from 'vitest';
import { readEntries, readFeed } from '../../src/feed/read-feed.js';

const TOPIC = 'https://topic.example/blog/feed';
const ATOM = 'http://www.w3.org/2005/Atom';
const RDF = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"';

const atom = `<feed xmlns="${ATOM}"><entry><id>1</id></entry></feed>`;
const rss = '<rss version="2.0"><channel><item><guid>1</guid></item></channel></rss>';
const item = '<item rdf:about="1"><title>T</title></item>';
const rdf = `<rdf:RDF ${RDF} xmlns="http://purl.org/rss/1.0/"><channel rdf:about="c"/>${item}</rdf:RDF>`;
const json = '{"version":"https://jsonfeed.org/version/1.1","items":[{"id":"1"}]}';

describe('the format of a feed is recognized', () => {
  test.each([
    ['Atom', atom, 'atom'],
    ['Atom with a prefix', `<a:feed xmlns:a="${ATOM}"><a:entry><a:id>1</a:id></a:entry></a:feed>`, 'atom'],
    ['Atom 0.3', '<feed version="0.3" xmlns="http://purl.org/atom/ns#"><entry><id>1</id></entry></feed>', 'atom'],
    ['an Atom entry document', `<entry xmlns="${ATOM}"><id>1</id></entry>`, 'atom'],
    ['an Atom entry document with a prefix', `<a:entry xmlns:a="${ATOM}"><a:id>1</a:id></a:entry>`, 'atom'],
    ['Atom that mentions RSS', atom.replace('</id>', '</id><content>&lt;rss&gt; <![CDATA[<rss >]]></content>'), 'atom'],
    ['RSS', rss, 'rss'],
    ['RSS in capitals', '<RSS><CHANNEL><ITEM><GUID>1</GUID></ITEM></CHANNEL></RSS>', 'rss'],
    ['RSS with a default namespace', rss.replace('<rss ', `<rss a="b" xmlns = "${ATOM}" `), 'rss'],
    ['RSS 1.0', rdf, 'rdf'],
    ['RSS 0.90', rdf.replace('http://purl.org/rss/1.0/', 'http://channel.netscape.com/rdf/simple/0.9/'), 'rdf'],
    [
      'RSS 1.0 with a prefix',
      `<rdf:RDF ${RDF} xmlns:r="http://purl.org/rss/1.0/"><r:item rdf:about="1"/></rdf:RDF>`,
      'rdf',
    ],
    ['JSON Feed', json, 'json-feed'],
    ['JSON Feed without a version', '{"feed_url":"https://a.example/","items":[{"id":"1"}]}', 'json-feed'],
  ])('%s', (_name, text, format) => {
    const feed = readFeed(text, TOPIC);
    expect([feed.format, feed.entries.map(({ id }) => id)]).toEqual([format, ['1']]);
  });

  test.each([
    ['a byte order mark', `\uFEFF${atom}`],
    ['a line before the declaration', `\n<?xml version="1.0"?>${atom}`],
    ['a declaration of the wrong encoding', `<?xml version="1.0" encoding="koi8-r"?>${atom}`],
    ['a document type', `<!DOCTYPE feed PUBLIC "-//>" 'x' [<!ENTITY a "<feed>]>"> <!-- don't -->]>${atom}`],
    ['comments and instructions', `<!-- <rss> --><?x <rss> ?>${atom}`],
    ['text after the root', `${atom}<!-- cached --> Warning: <x`],
  ])('despite %s', (_name, text) => {
    const feed = readFeed(text, TOPIC);
    expect([feed.format, feed.entries.map(({ id }) => id)]).toEqual(['atom', ['1']]);
  });
});

describe('a feed without entries is read', () => {
  test.each([
    ['Atom', `<feed xmlns="${ATOM}"></feed>`],
    ['Atom in one tag', `<feed xmlns="${ATOM}"/>`],
    ['Atom with empty entries', `<feed xmlns="${ATOM}"><entry/><entry></entry></feed>`],
    ['RSS', '<rss version="2.0"><channel></channel></rss>'],
    ['JSON Feed', '{"version":"https://jsonfeed.org/version/1"}'],
  ])('%s', (_name, text) => {
    expect(readFeed(text, TOPIC).entries).toEqual([]);
  });
});

describe('a text that is clearly not a feed has no entries, and readFeed throws a SyntaxError', () => {
  test.each([
    ['an empty text', '', 'empty'],
    ['white space', ' \n\uFEFF', 'empty'],
    ['text', 'hub.mode=publish', 'text without markup'],
    ['a number', '42', 'text without markup'],
    ['an HTML page', '<!doctype html><p>A <b>page</p>', 'an HTML page'],
    ['an HTML page without a document type', '<!-- a --><HTML><br>', 'an HTML page'],
    ['XHTML', '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"></html>', 'an HTML page'],
    ['JSON of another kind', '{"title":"T","items":[{"id":"1"}]}', 'JSON but not a JSON Feed'],
    [
      'JSON of another version',
      '{"version":"1.0","feed_url":"https://a.example/","items":[]}',
      'JSON but not a JSON Feed',
    ],
    ['a JSON array', '[{"id":"1"}]', 'JSON but not a JSON Feed'],
  ])('%s', (_name, text, description) => {
    expect(readEntries(text, TOPIC)).toEqual([]);
    expect(() => readFeed(text, TOPIC)).toThrow(new SyntaxError(`The document is not a feed; it is ${description}`));
  });
});

describe('a broken document, or XML that is not a feed, is refused', () => {
  test.each([
    ['truncated JSON', json.slice(0, -1), /JSON/],
    ['truncated Atom', atom.slice(0, -3), /is not closed/],
    ['a truncated root', '<feed xmlns="', /is not closed/],
    ['an unclosed element', atom.replace('</id>', ''), /closes <id>/],
    ['a declaration only', '<?xml version="1.0"?>', /without an element/],
    ['a comment before the root that does not end', '<!-- <feed>', /is not closed/],
    ['a document type that does not end', '<!DOCTYPE feed [', /is not closed/],
    ['an OPML document', '<opml version="2.0"/>', /root element <opml>/],
    ['a feed root without a feed', '<feed><product/></feed>', /root element <feed>/],
    ['an entry root without an entry', '<entry><word/></entry>', /root element <entry>/],
    ['other RDF', `<rdf:RDF ${RDF}><person/></rdf:RDF>`, /root element <rdf:RDF>/],
    ['a forbidden object name', atom.replaceAll('id>', '__proto__>'), /__proto__/],
  ])('%s', (_name, text, message) => {
    expect(() => readEntries(text, TOPIC)).toThrow(SyntaxError);
    expect(() => readFeed(text, TOPIC)).toThrow(message);
  });
});
