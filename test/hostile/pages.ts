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
const documentOf =
  (beginning: string, part: string, end = ''): HostilePage['body'] =>
  (scale) => {
    const length = SIZE * scale - beginning.length - end.length;
    return beginning + part.repeat(Math.max(1, Math.floor(length / part.length))) + end;
  };

/** Builds a document of a beginning, many different parts, and an end. */
const documentOfParts =
  (count: number, beginning: string, part: (index: number) => string, end = ''): HostilePage['body'] =>
  (scale) =>
    beginning + Array.from({ length: scaled(count, scale) }, (_, index) => part(index)).join('') + end;

const partsOf = (count: number, part: (index: number) => string): string =>
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
    documentOfParts(5_000, `<base href="${LONG_BASE}">`, (index) => `<link rel=hub href=x${index}>`),
    true,
  ),
  page(
    'spellings',
    documentOfParts(5_000, `<base href="${ENCODED_BASE}">`, (index) => `<link rel=hub href=${spelling(index)}>`),
    true,
  ),
  page(
    'wide base',
    documentOfParts(5_000, `<base href="${WIDE_BASE}">`, (index) => `<link rel=self href=${index}>`),
  ),
  page(
    'equal links',
    documentOfParts(20_000, '', () => '<link rel=hub href=https://hub.example/>'),
    true,
  ),
  page(
    'self links',
    documentOfParts(3_000, '', (index) => `<link rel=self href="/${'a'.repeat(1_000)}${index}">`),
  ),
  page('links to nowhere', documentOf('<body>', '<link rel=hub href="http://[">')),
  page(
    'feeds',
    documentOfParts(
      20_000,
      `<base href="${WIDE_BASE}">`,
      (index) => `<link rel=alternate type=application/atom+xml href=${index}>`,
    ),
  ),
  page('paragraph ends', documentOf(`<body>${DEEP}`, '</p>')),
  page(
    'stray ends',
    documentOf(`<body>${partsOf(500, (index) => `<x${'y'.repeat(30)}${index + 100}>`)}`, `</x${'y'.repeat(33)}>`),
  ),
  page('forms', documentOf('<body>', '<form>')),
  page('svg', documentOf('<body>', '<svg></svg>')),
  page('open comment', documentOf('<!--', '-')),
  page('comments', documentOf('', '<!---->')),
  page('open quote', documentOf('<x a="', '<')),
  page('entities', documentOf('<body>', '&amp')),
  page('entities in a link', documentOf('<link rel=hub href="', '&amp;', '">')),
  page('entities in a title', documentOf('<title>', '&')),
  page('digits', documentOf('<body>&#', '9')),
  page('long relation', documentOf('<link href=x rel="hub ', 'a ', '">')),
  page('long tag name', documentOf('<', 'a', '>')),
  page(
    'attributes',
    documentOfParts(700_000, '<link ', (index) => `a${index} `, '>'),
  ),
  page('dense page', documentOf('<body>', '<p>Hello</p>')),
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
    documentOfParts(
      5_000,
      `<feed xmlns="${ATOM}" xml:base="${LONG_BASE}">`,
      (index) => `<link rel="hub" href="x${index}"/>`,
    ),
    true,
  ),
  feed(
    'spellings in a feed',
    documentOfParts(
      5_000,
      `<feed xmlns="${ATOM}" xml:base="${ENCODED_BASE}">`,
      (index) => `<link rel="hub" href="${spelling(index)}"/>`,
    ),
    true,
  ),
  feed(
    'xml:base of each link',
    documentOf(`<feed xmlns="${ATOM}" xml:base="${WIDE_BASE}">`, '<link rel="x" xml:base="b/" href="x"/>'),
  ),
  feed('no hubs', documentOf(`<feed xmlns="${ATOM}" xml:base="${WIDE_BASE}">`, '<link rel="hub" href="http://["/>')),
  feed(
    'namespaces',
    (scale) =>
      `<rss ${partsOf(scaled(20_000, scale), (index) => `xmlns:a${index}="u${index}" `)}><channel>${'<x y="a"/>'.repeat(scaled(60_000, scale))}`,
  ),
  feed(
    'Atom prefixes',
    documentOfParts(100_000, '<rss ', (index) => `xmlns:a${index}="${ATOM}" `, '><channel>'),
  ),
  feed('namespace of each element', documentOf('<rss><channel>', '<x xmlns:a="b"/>')),
  feed('elements', documentOf('<rss><channel>', '<a/>')),
  feed('entries', documentOf('<rss><channel>', '<item/>')),
  feed('dense feed', documentOf(`<feed xmlns="${ATOM}">`, '<entry><title>Hello</title></entry>')),
  json('JSON entries', documentOf('{"items":[', '{"a":{"b":[1,2]}},')),
  json('JSON brackets', documentOf('{"a":', '[')),
  json('JSON members', documentOf('{', '"a":{},')),
  json('JSON quotes', documentOf('{"a":"', '\\"')),
  json('JSON hubs', documentOf('{"hubs":[', '{"type":"WebSub","url":"/a"},'), true),
  json('JSON hubs that are none', documentOf('{"hubs":[', '{"type":"WebSub","url":""x},')),
  { ...page('Link header', () => '<p>'), link: partsOf(1_200, (index) => `<${index}>;rel=x,`) },
  { ...page('open Link header', () => '<p>'), link: '<,'.repeat(7_000) },
];

/** All documents used to attack discovery. */
export const hostilePages = PAGES;
