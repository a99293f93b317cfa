import { describe, expect, test } from 'vitest';
import { linksFromHeaders } from '../../../src/protocol/links/link-header.js';

const base = 'https://example.com/blog/feed';
const hub = 'https://hub.example/';

const linksIn = (...values: string[]) => linksFromHeaders(values, base);

describe('D2 Link headers', () => {
  test('several headers, and several links in one header, are read in order', () => {
    expect(linksIn('<https://b.example/>; rel="hub", <feed>; rel=self', '<https://a.example/>; rel=hub')).toEqual({
      hubs: ['https://b.example/', 'https://a.example/'],
      selfs: [base],
    });
  });

  test.each([
    ['bare rel', `<${hub}>; rel=hub`],
    ['quoted rel', `<${hub}>;rel="hub"`],
    ['white space everywhere', `\t<${hub}>  ;  rel  =  "hub"  , `],
    ['upper case', `<${hub}>; REL="HUB"`],
    ['several relation types', `<${hub}>; rel="foo  hub bar"`],
    ['unquoted relation types', `<${hub}>; rel=foo hub`],
    ['rel after a parameter without a value', `<${hub}>; crossorigin; rel="hub"`],
    ['semicolons in a row', `<${hub}>;; rel="hub";`],
    ['an escaped letter in rel', `<${hub}>; rel="hu\\b"`],
    ['space inside <>', `< ${hub} >; rel=hub`],
    ['the anchor of the resource itself', `<${hub}>; rel=hub; anchor=""`],
    ['a decoy in a quoted title', `<a>; title="x, <https://evil.example/>; rel=hub"; rel=alternate, <${hub}>; rel=hub`],
    ['an escaped quote in a title', `<a>; title="\\", <https://evil.example/>; rel=hub; \\"", <${hub}>; rel=hub`],
    ['empty list elements', `, ,<${hub}>; rel=hub,,`],
    ['a fragment, which is not sent', `<${hub}#hub>; rel=hub`],
    ['no semicolon before rel', `<${hub}> rel="hub"`],
    ['no semicolon nor space before rel', `<${hub}>rel=hub`],
    ['no semicolon before rel, behind a quoted value', `<${hub}>; type="text/html" rel="hub"`],
    ['no semicolon before rel, behind a bare value', `<${hub}>; type=text/html REL = hub`],
    ['brackets within quotes', `"<${hub}>"; rel=hub`],
    ['brackets within single quotes', `'<${hub}>'; rel="hub"`],
    ['brackets within quotes, no semicolon', `"<${hub}>" rel="hub"`],
    ['a link within quotes', `"<${hub}>; rel=hub"`],
    ['a link with quotes within quotes', `"<${hub}>; rel="hub""`],
    ['a link with escaped quotes within quotes', `"<${hub}>; rel=\\"hub\\""`],
  ])('%s is accepted, and a later link is read', (_name, value) => {
    expect(linksIn(value).hubs).toEqual([hub]);
    expect(linksIn(`${value}, </b>; rel=hub, </topic>; rel=self`)).toEqual({
      hubs: [hub, 'https://example.com/b'],
      selfs: ['https://example.com/topic'],
    });
  });

  test.each([
    ['an unclosed quote', `<${hub}>; rel="hub`],
    ['a quote that ends in a backslash', `<${hub}>; rel=hub; title="x\\`],
    ['brackets behind a quote that is not closed', `"<${hub}>; rel=hub`],
  ])('%s is accepted at the end of a header', (_name, value) => {
    expect(linksIn(value).hubs).toEqual([hub]);
  });

  test.each([
    ['only the first rel counts', `<${hub}>; rel="alternate"; rel="hub"`],
    ['an empty first rel counts', `<${hub}>; rel; rel="hub"`],
    ['no rel', `<${hub}>; title="hub"`],
    ['rev', `<${hub}>; rev="hub"`],
    ['another word', `<${hub}>; rel="github hub2 self-hub https://rels.example/hub"`],
    ['single quotes', `<${hub}>; rel='hub'`],
    ['a link about another resource', `<${hub}>; rel=hub; anchor="https://other.example/"`],
    ['a link about a part of the resource', `<${hub}>; rel=hub; anchor="#part"`],
    ['no brackets', `${hub}; rel=hub`],
    ['an unclosed bracket', `<${hub}; rel=hub`],
    ['a word before rel', `<${hub}> junk rel=hub`],
    ['another parameter that ends in rel', `<${hub}>; xrel=hub`],
    ['rel within a value', `<${hub}>; title="a rel=hub"`],
    ['no http URL', `<mailto:hub@example.com>; rel=hub`],
    ['no URL', `<https://>; rel=hub`],
    ['credentials in the URL', `<https://user:secret@hub.example/>; rel=hub`],
    ['nothing', ''],
  ])('no hub is found (%s)', (_name, value) => {
    expect(linksIn(value).hubs).toEqual([]);
  });

  test.each([
    ['words', 'garbage; rel="self"'],
    ['words with a quoted link', 'garbage "a, <https://evil.example/>; rel=hub; " c'],
    ['junk behind the brackets', '<x>junk "a, b"; rel=self'],
    ['junk behind a quoted value', '<x>; title="x"junk; rel=self'],
    ['an unclosed bracket', '<https://other.example/; rel="self"'],
  ])('a link after %s is found', (_name, garbage) => {
    expect(linksIn(`${garbage}, <${hub}>; rel=hub`)).toEqual({ hubs: [hub], selfs: [] });
  });

  test('commas and semicolons inside <> belong to the URL', () => {
    expect(linksIn('<https://hub.example/a,b;c?x=1,2;y>; rel=hub').hubs).toEqual(['https://hub.example/a,b;c?x=1,2;y']);
  });

  test('references are resolved against the final URL', () => {
    expect(linksIn('<../hub>; rel=hub, <>; rel=self')).toEqual({ hubs: ['https://example.com/hub'], selfs: [base] });
  });

  test("only absolute links are read when the resource's name is not a URL", () => {
    const linksOfNamedTopic = (value: string) => linksFromHeaders([value], 'plain-topic');
    expect(linksOfNamedTopic(`<${hub}>; rel=hub, </hub>; rel=hub, <https://example.com/feed>; rel=self`)).toEqual({
      hubs: [hub],
      selfs: ['https://example.com/feed'],
    });
    for (const anchor of ['', 'plain-topic']) {
      expect(linksOfNamedTopic(`<${hub}>; rel=hub; anchor="${anchor}"`).hubs).toEqual([hub]);
    }
    for (const anchor of ['#part', 'other', 'https://example.com/']) {
      expect(linksOfNamedTopic(`<${hub}>; rel=hub; anchor="${anchor}"`).hubs).toEqual([]);
    }
  });

  test('raw UTF-8, which arrives as one character per byte, is decoded', () => {
    const raw = Buffer.from('<https://hub.example/é>; rel=hub').toString('latin1');
    expect(linksIn(raw).hubs).toEqual(['https://hub.example/%C3%A9']);
    expect(linksIn('<https://hub.example/é>; rel=hub').hubs).toEqual(['https://hub.example/%C3%A9']);
    expect(linksIn('<https://hub.example/→é>; rel=hub').hubs).toEqual(['https://hub.example/%E2%86%92%C3%A9']);
  });

  test('D6 D8 each hub is listed once, and all different selfs are listed', () => {
    expect(linksIn(`<${hub}>; rel=hub, <${hub}>; rel="hub self", <a>; rel=self, <./a>; rel=self`)).toEqual({
      hubs: [hub],
      selfs: [hub, 'https://example.com/blog/a'],
    });
  });

  const FRAGMENTS = [
    '<',
    '<,',
    '>',
    '"',
    '\\"',
    ';',
    ',',
    ' ',
    'rel ',
    'rel=',
    ' rel=',
    '<>;',
    '<>rel=',
    '<>rel=hub,',
    '"<>"',
    '"<>;',
    '<a>;"',
    "'<",
    '<a>;rel=hub;anchor="b",',
    '<%41>;rel=hub,',
    '<>;title= rel',
  ];

  test.each(FRAGMENTS)('D12 half a megabyte of %j takes a fraction of a second', (fragment) => {
    const before = process.cpuUsage();
    for (const start of ['', '<', '"', '<a>;x='])
      linksFromHeaders([start + fragment.repeat(500_000 / fragment.length)], base);
    const { user } = process.cpuUsage(before);
    expect(user / 1000).toBeLessThan(2000);
  });

  test('D12 ten hubs and two selfs are kept, and 1,000 links are read', () => {
    const manyLinks = Array.from({ length: 2_000 }, (_, index) => `</${index}>; rel="hub self"`);
    expect(linksIn(...manyLinks)).toEqual({
      hubs: Array.from({ length: 10 }, (_, index) => `https://example.com/${index}`),
      hasMoreHubs: true,
      selfs: ['https://example.com/0', 'https://example.com/1'],
    });
    const otherLinks = '</style.css>; rel=preload, '.repeat(1_000);
    const equalLinks = `<${hub}>; rel=hub, `.repeat(999);
    expect(linksIn(`${otherLinks}${equalLinks}</b>; rel=hub, </c>; rel=hub`).hubs).toEqual([
      hub,
      'https://example.com/b',
    ]);
  });

  test('D12 a resource whose own URL is over 8 KiB resolves absolute links only', () => {
    const longUrl = `https://example.com/${'a'.repeat(9_000)}`;
    expect(linksFromHeaders([`<${hub}>; rel=hub, <b>; rel=hub`], longUrl).hubs).toEqual([hub]);
  });
});
