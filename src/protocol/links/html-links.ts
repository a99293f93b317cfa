import { onDemand } from '../../on-demand.js';
import type { DocumentUrls } from './document-urls.js';
import { boundedValue, MAX_DEPTH, type LinkReader } from './link-reader.js';
import { resolveHttp, topicLinks, LinkCollector, type TopicLinks, type CollectedLink } from './topic-links.js';

/** Elements allowed in the head. Any other element starts the body, with or without a body tag. */
const HEAD_ELEMENTS = new Set(
  'html head base basefont bgsound link meta title style script template noscript noframes'.split(' '),
);

/** Elements whose content is text, inert, or not HTML. Links in them do not count. */
const OPAQUE_ELEMENTS = new Set(
  'title style script template noscript noframes noembed iframe textarea xmp plaintext svg math'.split(' '),
);

/** Media types of the alternate feeds that are tried for a page (PROTOCOL D11). */
const FEED_TYPE = /^\s*application\/(?:(?:atom|rss|rdf)\+xml|feed\+json)\s*(?:;|$)/i;

const NO_LINKS: TopicLinks = { hubs: [], selfs: [] };

/** The relevant attributes of the current element. */
type Attributes = Partial<Record<string, string>>;

/**
 * Reads `<link rel>` of an HTML page (WebSub section 4). The head decides: when it ends and names a hub, reading stops,
 * so that a link injected into the body cannot win. Body links count only when the head names no hub, and the body's
 * self only when the head has none. `<base href>` is respected. A page without a hub returns the alternate feeds of its
 * head.
 *
 * @param urls resolves the page's links
 * @param options.xhtml whether `<title/>` closes itself, which it does only in XHTML
 */
export function createHtmlLinkReader(urls: DocumentUrls, options: { readonly xhtml?: boolean } = {}): LinkReader {
  const collector = new LinkCollector();
  let base: string | undefined;
  let isInHead = true;
  let head = NO_LINKS;
  /** Links to alternate feeds, and their base. */
  let feeds: readonly CollectedLink[] = [];
  let feedBase: string | undefined;
  let depth = 0;
  let opaqueDepth = Infinity;
  let isDone = false;
  /** The current void element, and its attributes. */
  let voidElement: 'link' | 'base' | undefined;
  let attributes: Attributes = {};

  function finish(): void {
    isDone = true;
    parser.pause();
  }

  function endHead(): void {
    isInHead = false;
    const links = collector.take();
    head = topicLinks(links, urls, base);
    feeds = links.filter(({ isAlternate, type }) => isAlternate && FEED_TYPE.test(type ?? ''));
    feedBase = base;
    if (head.hubs.length > 0) finish();
  }

  function endElement(): void {
    const { rel, href, type } = attributes;
    if (href === undefined) return;
    if (voidElement === 'base') base ??= baseUrl(href);
    else if (rel !== undefined && /\S/.test(href)) collector.add(rel, () => ({ href, type }));
  }

  /** A base that is no http URL is replaced by the page's URL. */
  function baseUrl(href: string): string {
    const url = urls.base(href);
    return /^https?:/.test(url) ? url : urls.documentUrl;
  }

  /** Resolves feeds on demand: usually the first one is enough. */
  function* resolvedFeeds(): Generator<string> {
    for (const { href } of feeds) {
      const url = resolveHttp(urls, href, feedBase);
      if (url !== undefined) yield url.href;
    }
  }

  const { Parser } = onDemand('htmlparser2');
  const parser = new Parser(
    {
      // Not `onopentag`: building an object of a million attributes takes long.
      onopentagname(name) {
        depth += 1;
        if (depth > MAX_DEPTH) finish();
        voidElement = undefined;
        if (depth > opaqueDepth) return;
        if (OPAQUE_ELEMENTS.has(name)) opaqueDepth = depth;
        if (isInHead && !HEAD_ELEMENTS.has(name)) endHead();
        if (name !== 'link' && name !== 'base') return;
        voidElement = name;
        attributes = {};
      },
      onattribute(name, value) {
        // The first of repeated attributes counts.
        if (voidElement !== undefined && (name === 'rel' || name === 'href' || name === 'type'))
          attributes[name] ??= boundedValue(value);
      },
      onclosetag(name) {
        // A void element closes at the end of its tag.
        if (name === voidElement) endElement();
        voidElement = undefined;
        if (depth === opaqueDepth) opaqueDepth = Infinity;
        depth -= 1;
      },
      ontext(text) {
        if (isInHead && opaqueDepth === Infinity && /\S/.test(text)) endHead();
      },
    },
    { recognizeSelfClosing: options.xhtml ?? false },
  );

  return {
    write(text) {
      if (!isDone) parser.write(text);
      return isDone;
    },
    end() {
      if (!isDone) parser.end();
      if (isInHead) endHead();
      if (head.hubs.length > 0) return head;
      const body = topicLinks(collector.take(), urls, base);
      const links = { ...body, selfs: head.selfs.length > 0 ? head.selfs : body.selfs };
      return links.hubs.length > 0 || feeds.length === 0 ? links : { ...links, feeds: resolvedFeeds() };
    },
  };
}
