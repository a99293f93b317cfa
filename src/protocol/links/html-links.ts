import { onDemand } from '../../on-demand.js';
import type { DocumentUrls } from './document-urls.js';
import { boundedValue, MAX_DEPTH, type LinkReader } from './link-reader.js';
import { resolveHttp, topicLinks, LinkCollector, type TopicLinks, type CollectedLink } from './topic-links.js';

/** What may stand in the head; any other element opens the body, whether it says so or not. */
const HEAD_ELEMENTS = new Set(
  'html head base basefont bgsound link meta title style script template noscript noframes'.split(' '),
);

/** Elements whose content is text, inert, or no HTML: a link in them is none. */
const OPAQUE_ELEMENTS = new Set(
  'title style script template noscript noframes noembed iframe textarea xmp plaintext svg math'.split(' '),
);

/** Media types of the feeds that are read for a page (PROTOCOL D11). */
const FEED_TYPE = /^\s*application\/(?:(?:atom|rss|rdf)\+xml|feed\+json)\s*(?:;|$)/i;

const NO_LINKS: TopicLinks = { hubs: [], selfs: [] };

/** Attributes of the element being read, as far as they are looked at. */
type Attributes = Partial<Record<string, string>>;

/**
 * Reads `<link rel>` of an HTML page (WebSub section 4). The head decides: once it has ended and named a hub, the reader
 * is done, so that a link injected into the body cannot win. Only when the head names no hub do links in the body count,
 * and the body's self only when the head has none. `<base href>` is honoured. A page without a hub tells the alternate
 * feeds of its head.
 *
 * @param urls resolves the page's links
 * @param options.xhtml whether `<title/>` closes itself, as it does in XHTML only
 */
export function createHtmlLinkReader(urls: DocumentUrls, options: { readonly xhtml?: boolean } = {}): LinkReader {
  const collector = new LinkCollector();
  let base: string | undefined;
  let inHead = true;
  let head = NO_LINKS;
  /** References to feeds, and what they are relative to. */
  let feeds: readonly CollectedLink[] = [];
  let feedBase: string | undefined;
  let depth = 0;
  let opaqueDepth = Infinity;
  let done = false;
  /** The void element being read, and what it says. */
  let reading: 'link' | 'base' | undefined;
  let attributes: Attributes = {};

  function finish(): void {
    done = true;
    parser.pause();
  }

  function endHead(): void {
    inHead = false;
    const links = collector.take();
    head = topicLinks(links, urls, base);
    feeds = links.filter(({ isAlternate, type }) => isAlternate && FEED_TYPE.test(type ?? ''));
    feedBase = base;
    if (head.hubs.length > 0) finish();
  }

  function endElement(): void {
    const { rel, href, type } = attributes;
    if (href === undefined) return;
    if (reading === 'base') base ??= baseUrl(href);
    else if (rel !== undefined && /\S/.test(href)) collector.add(rel, () => ({ href, type }));
  }

  /** A base that is no http URL is the page itself. */
  function baseUrl(href: string): string {
    const url = urls.base(href);
    return /^https?:/.test(url) ? url : urls.documentUrl;
  }

  /** Resolved as they are asked for: mostly the first is enough. */
  function* resolvedFeeds(): Generator<string> {
    for (const { href } of feeds) {
      const url = resolveHttp(urls, href, feedBase);
      if (url !== undefined) yield url.href;
    }
  }

  const { Parser } = onDemand('htmlparser2');
  const parser = new Parser(
    {
      // Not `onopentag`: an object of a million attributes takes long to build.
      onopentagname(name) {
        depth += 1;
        if (depth > MAX_DEPTH) finish();
        reading = undefined;
        if (depth > opaqueDepth) return;
        if (OPAQUE_ELEMENTS.has(name)) opaqueDepth = depth;
        if (inHead && !HEAD_ELEMENTS.has(name)) endHead();
        if (name !== 'link' && name !== 'base') return;
        reading = name;
        attributes = {};
      },
      onattribute(name, value) {
        // The first of two attributes with one name counts.
        if (reading !== undefined && (name === 'rel' || name === 'href' || name === 'type'))
          attributes[name] ??= boundedValue(value);
      },
      onclosetag(name) {
        // A void element closes where its tag ends.
        if (name === reading) endElement();
        reading = undefined;
        if (depth === opaqueDepth) opaqueDepth = Infinity;
        depth -= 1;
      },
      ontext(text) {
        if (inHead && opaqueDepth === Infinity && /\S/.test(text)) endHead();
      },
    },
    { recognizeSelfClosing: options.xhtml ?? false },
  );

  return {
    write(text) {
      if (!done) parser.write(text);
      return done;
    },
    end() {
      if (!done) parser.end();
      if (inHead) endHead();
      if (head.hubs.length > 0) return head;
      const body = topicLinks(collector.take(), urls, base);
      const links = { ...body, selfs: head.selfs.length > 0 ? head.selfs : body.selfs };
      return links.hubs.length > 0 || feeds.length === 0 ? links : { ...links, feeds: resolvedFeeds() };
    },
  };
}
