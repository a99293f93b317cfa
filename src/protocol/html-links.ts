import { onDemand } from '../on-demand.js';
import { MAX_DEPTH, type LinkReader } from './link-reader.js';
import { resolveHttpUrl, topicLinks, type TopicLinks } from './topic-links.js';

/** What may stand in the head; any other element opens the body, whether it says so or not. */
const HEAD_ELEMENTS = new Set(
  'html head base basefont bgsound link meta title style script template noscript noframes'.split(' '),
);

/** Elements whose content is text, inert, or no HTML: a link in them is none. */
const OPAQUE_ELEMENTS = new Set(
  'title style script template noscript noframes noembed iframe textarea xmp plaintext svg math'.split(' '),
);

const NO_LINKS: TopicLinks = { hubs: [], selfs: [] };

/**
 * Reads `<link rel>` of an HTML page (WebSub section 4). The head decides: once it has ended and named a hub, the reader
 * is done, so that a link injected into the body cannot win. Only when the head names no hub do links in the body count,
 * and the body's self only when the head has none. `<base href>` is honoured.
 *
 * @param url where the page came from
 * @param options.xhtml whether `<title/>` closes itself, as it does in XHTML only
 */
export function createHtmlLinkReader(url: string, options: { readonly xhtml?: boolean } = {}): LinkReader {
  let written: { rel: string; href: string }[] = [];
  let base: string | undefined;
  let inHead = true;
  let head = NO_LINKS;
  let depth = 0;
  let opaqueDepth = Infinity;
  let done = false;

  function resolveWritten(): TopicLinks {
    const links = topicLinks(written.map((link) => ({ ...link, base: base ?? url })));
    written = [];
    return links;
  }

  function finish(): void {
    done = true;
    parser.pause();
  }

  function endHead(): void {
    inHead = false;
    head = resolveWritten();
    if (head.hubs.length > 0) finish();
  }

  const { Parser } = onDemand('htmlparser2');
  const parser = new Parser(
    {
      onopentag(name, { rel, href }) {
        depth += 1;
        if (depth > MAX_DEPTH) finish();
        if (depth > opaqueDepth) return;
        if (OPAQUE_ELEMENTS.has(name)) opaqueDepth = depth;
        if (inHead && !HEAD_ELEMENTS.has(name)) endHead();
        if (href === undefined) return;
        if (name === 'base') base ??= resolveHttpUrl(href, url) ?? url;
        if (name === 'link' && rel !== undefined && href.trim() !== '') written.push({ rel, href });
      },
      onclosetag() {
        if (depth === opaqueDepth) opaqueDepth = Infinity;
        depth -= 1;
      },
      ontext(text) {
        if (inHead && opaqueDepth === Infinity && text.trim() !== '') endHead();
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
      if (inHead) return resolveWritten();
      if (head.hubs.length > 0) return head;
      const body = resolveWritten();
      return { hubs: body.hubs, selfs: head.selfs.length > 0 ? head.selfs : body.selfs };
    },
  };
}
