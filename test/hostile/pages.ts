import { MIB, scaled } from './scenario.js';

const ATOM = 'http://www.w3.org/2005/Atom';

/** A document that takes long to read. */
export interface HostilePage {
  readonly name: string;
  readonly type: string;
  /** Whether discovery finds a hub in it. */
  readonly hasHub: boolean;
  readonly body: (scale: number) => string | Buffer;
  readonly link?: string;
}

/** Bytes: discovery reads no more of a document. */
const SIZE = 5 * MIB;

/** Builds a document of full size: a beginning, a repeated part, and an end. */
const full =
  (beginning: string, part: string, end = ''): HostilePage['body'] =>
  (scale) => {
    const length = SIZE * scale - beginning.length - end.length;
    return beginning + part.repeat(Math.max(1, Math.floor(length / part.length))) + end;
  };

/** Builds a document of a beginning, many different parts, and an end. */
const many =
  (count: number, beginning: string, part: (index: number) => string, end = ''): HostilePage['body'] =>
  (scale) =>
    beginning + Array.from({ length: scaled(count, scale) }, (_, index) => part(index)).join('') + end;

const times = (count: number, part: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => part(index)).join('');

/** One URL in thousands of spellings, all equal after percent-encoding is normalized. */
const spelling = (index: number): string =>
  index.toString(2).padStart(13, '0').replaceAll('0', 'A').replaceAll('1', '%41');

const LONG_BASE = `/${'a'.repeat(100_000)}/`;
const ENCODED_BASE = `/${'%41'.repeat(2_700)}/`;
const WIDE_BASE = `/${'a'.repeat(8_000)}/`;
const DEEP = '<i>'.repeat(500);

const page = (name: string, body: HostilePage['body'], hasHub = false, more = ''): HostilePage => ({
  name,
  type: `text/html${more}`,
  hasHub,
  body,
});
const feed = (name: string, body: HostilePage['body'], hasHub = false): HostilePage => ({
  name,
  type: 'application/atom+xml',
  hasHub,
  body,
});
const json = (name: string, body: HostilePage['body'], hasHub = false): HostilePage => ({
  name,
  type: 'application/feed+json',
  hasHub,
  body,
});

const PAGES: readonly HostilePage[] = [
  page(
    'long base',
    many(5_000, `<base href="${LONG_BASE}">`, (i) => `<link rel=hub href=x${i}>`),
    true,
  ),
  page(
    'spellings',
    many(5_000, `<base href="${ENCODED_BASE}">`, (i) => `<link rel=hub href=${spelling(i)}>`),
    true,
  ),
  page(
    'wide base',
    many(5_000, `<base href="${WIDE_BASE}">`, (i) => `<link rel=self href=${i}>`),
  ),
  page(
    'equal links',
    many(20_000, '', () => '<link rel=hub href=https://hub.example/>'),
    true,
  ),
  page(
    'self links',
    many(3_000, '', (i) => `<link rel=self href="/${'a'.repeat(1_000)}${i}">`),
  ),
  page('links to nowhere', full('<body>', '<link rel=hub href="http://[">')),
  page(
    'feeds',
    many(20_000, `<base href="${WIDE_BASE}">`, (i) => `<link rel=alternate type=application/atom+xml href=${i}>`),
  ),
  page('paragraph ends', full(`<body>${DEEP}`, '</p>')),
  page('stray ends', full(`<body>${times(500, (i) => `<x${'y'.repeat(30)}${i + 100}>`)}`, `</x${'y'.repeat(33)}>`)),
  page('forms', full('<body>', '<form>')),
  page('svg', full('<body>', '<svg></svg>')),
  page('open comment', full('<!--', '-')),
  page('comments', full('', '<!---->')),
  page('open quote', full('<x a="', '<')),
  page('entities', full('<body>', '&amp')),
  page('entities in a link', full('<link rel=hub href="', '&amp;', '">')),
  page('entities in a title', full('<title>', '&')),
  page('digits', full('<body>&#', '9')),
  page('long relation', full('<link href=x rel="hub ', 'a ', '">')),
  page('long tag name', full('<', 'a', '>')),
  page(
    'attributes',
    many(700_000, '<link ', (i) => `a${i} `, '>'),
  ),
  page('dense page', full('<body>', '<p>Hello</p>')),
  page(
    'UTF-16',
    (scale) => Buffer.from(`\uFEFF<body>${'<b>é</b>'.repeat((SIZE / 16) * scale)}`, 'utf16le'),
    false,
    '; charset=utf-16le',
  ),
  page('no GB 18030', (scale) => Buffer.alloc(SIZE * scale, 0x81), false, '; charset=gb18030'),
  page('no ISO-2022-JP', (scale) => Buffer.alloc(SIZE * scale, 0x1b), false, '; charset=iso-2022-jp'),
  page('no UTF-8', (scale) => Buffer.alloc(SIZE * scale, 0xff)),
  feed(
    'long xml:base',
    many(5_000, `<feed xmlns="${ATOM}" xml:base="${LONG_BASE}">`, (i) => `<link rel="hub" href="x${i}"/>`),
    true,
  ),
  feed(
    'spellings in a feed',
    many(5_000, `<feed xmlns="${ATOM}" xml:base="${ENCODED_BASE}">`, (i) => `<link rel="hub" href="${spelling(i)}"/>`),
    true,
  ),
  feed(
    'xml:base of each link',
    full(`<feed xmlns="${ATOM}" xml:base="${WIDE_BASE}">`, '<link rel="x" xml:base="b/" href="x"/>'),
  ),
  feed('no hubs', full(`<feed xmlns="${ATOM}" xml:base="${WIDE_BASE}">`, '<link rel="hub" href="http://["/>')),
  feed(
    'namespaces',
    (scale) =>
      `<rss ${times(scaled(20_000, scale), (i) => `xmlns:a${i}="u${i}" `)}><channel>${'<x y="a"/>'.repeat(scaled(60_000, scale))}`,
  ),
  feed(
    'Atom prefixes',
    many(100_000, '<rss ', (i) => `xmlns:a${i}="${ATOM}" `, '><channel>'),
  ),
  feed('namespace of each element', full('<rss><channel>', '<x xmlns:a="b"/>')),
  feed('elements', full('<rss><channel>', '<a/>')),
  feed('entries', full('<rss><channel>', '<item/>')),
  feed('dense feed', full(`<feed xmlns="${ATOM}">`, '<entry><title>Hello</title></entry>')),
  json('JSON entries', full('{"items":[', '{"a":{"b":[1,2]}},')),
  json('JSON brackets', full('{"a":', '[')),
  json('JSON members', full('{', '"a":{},')),
  json('JSON quotes', full('{"a":"', '\\"')),
  json('JSON hubs', full('{"hubs":[', '{"type":"WebSub","url":"/a"},'), true),
  json('JSON hubs that are none', full('{"hubs":[', '{"type":"WebSub","url":""x},')),
  { ...page('Link header', () => '<p>'), link: times(1_200, (i) => `<${i}>;rel=x,`) },
  { ...page('open Link header', () => '<p>'), link: '<,'.repeat(7_000) },
];

/** All documents used to attack discovery. */
export const hostilePages = PAGES;
