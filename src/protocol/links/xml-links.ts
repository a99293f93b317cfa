import { onDemand } from '../../on-demand.js';
import type { DocumentUrls } from './document-urls.js';
import { boundedValue, MAX_DEPTH, MAX_ELEMENTS, MAX_ENTRIES, type LinkReader } from './link-reader.js';
import { isHubLink, topicLinks, LinkCollector } from './topic-links.js';

const ATOM = 'http://www.w3.org/2005/Atom';
/** RFC 4287, section 4.2.7.2: a relation type may be spelled out as a URL. */
const IANA_RELATION = 'http://www.iana.org/assignments/relation/';

/** The most namespace prefixes read of one element. */
const MAX_PREFIXES = 1_000;

/** The base and prefixes in effect at a point of the document. */
interface Scope {
  readonly base: string;
  /** Prefixes bound to the Atom namespace; the empty one stands for the default namespace. */
  readonly atomPrefixes: ReadonlySet<string>;
}

/** The relevant parts of the current element. */
interface OpenElement {
  readonly role: 'root' | 'channel' | 'link';
  readonly prefix: string;
  rel?: string;
  href?: string;
  base?: string;
  /** Prefixes that the element binds, and whether to the Atom namespace. */
  readonly binds: Map<string, boolean>;
}

/**
 * Reads `atom:link` of a feed (WebSub section 4; RFC 8288, appendix A.2). In Atom, children of the root count; in RSS
 * and RDF, children of `channel`. Links of entries, items and sources describe other resources. Any prefix bound to the
 * Atom namespace counts, and `xml:base` is respected. Reading stops at the first entry or item if a hub is known
 * by then. Otherwise it stops at the end of the feed or channel. A bound stops it in any case (PROTOCOL D12).
 *
 * @param urls resolves the document's links
 */
export function createXmlLinkReader(urls: DocumentUrls): LinkReader {
  const collector = new LinkCollector();
  let depth = 0;
  let elements = 0;
  let entries = 0;
  /** The depth of the element whose links count: the root, or its channel. */
  let linkParentDepth = 1;
  let root: Scope = { base: urls.documentUrl, atomPrefixes: new Set() };
  /** The scope of the element whose links count, while it is open. */
  let linkScope: Scope | undefined;
  let open: OpenElement | undefined;
  let isHubKnown = false;
  let cutAt: string | undefined;
  let isDone = false;

  function finish(): void {
    isDone = true;
    parser.pause();
  }

  function roleOf(prefix: string, localName: string): OpenElement['role'] | undefined {
    if (elements === 1) {
      linkParentDepth = /^(?:rss|rdf)$/i.test(localName) ? 2 : 1;
      return 'root';
    }
    if (linkScope === undefined) return depth === 2 && localName.toLowerCase() === 'channel' ? 'channel' : undefined;
    if (depth !== linkParentDepth + 1) return undefined;
    if (localName === 'entry' || localName === 'item') openEntry();
    return localName === 'link' ? 'link' : undefined;
  }

  function openEntry(): void {
    entries += 1;
    if (entries > MAX_ENTRIES) cut(`${MAX_ENTRIES} entries`);
    else if (isHubKnown) finish();
  }

  function cut(bound: string): void {
    cutAt = bound;
    finish();
  }

  /** Handles a completed start tag: a link, or the element whose links count. */
  function endTag(): void {
    if (open === undefined) return;
    const element = open;
    open = undefined;
    if (element.role === 'link') {
      if (linkScope !== undefined) addLink(element, linkScope);
      return;
    }
    const scope = innerScope(element, root);
    if (element.role === 'root') root = scope;
    if (element.role === 'channel' || linkParentDepth === 1) linkScope = scope;
  }

  function addLink({ rel, href, prefix, base, binds }: OpenElement, { base: outer, atomPrefixes }: Scope): void {
    if (rel === undefined || href === undefined || !(binds.get(prefix) ?? atomPrefixes.has(prefix))) return;
    const link = collector.add(rel.trim().replace(IANA_RELATION, ''), () => ({
      href,
      base: urls.base(base, outer),
    }));
    if (link !== undefined && !isHubKnown) isHubKnown = isHubLink(link, urls);
    if (collector.isFull) finish();
  }

  /** Records a prefix binding only if it matters, so that a million others cost nothing. */
  function bind({ role, prefix: elementPrefix, binds }: OpenElement, prefix: string, namespace: string): void {
    if (binds.size >= MAX_PREFIXES) return;
    const isAtom = boundedValue(namespace).trim() === ATOM;
    const isRelevant = role === 'link' ? prefix === elementPrefix : isAtom || root.atomPrefixes.has(prefix);
    if (isRelevant && !binds.has(prefix)) binds.set(prefix, isAtom);
  }

  function innerScope({ base, binds }: OpenElement, outer: Scope): Scope {
    const atomPrefixes = new Set(outer.atomPrefixes);
    for (const [prefix, isAtom] of binds) {
      if (isAtom) atomPrefixes.add(prefix);
      else atomPrefixes.delete(prefix);
    }
    return { base: urls.base(base, outer.base), atomPrefixes };
  }

  const { Parser } = onDemand('htmlparser2');
  const parser = new Parser(
    {
      // Not `onopentag`: building an object of a million attributes takes long. The next event ends a tag instead.
      onopentagname(name) {
        endTag();
        depth += 1;
        elements += 1;
        if (isDone || depth > MAX_DEPTH) return finish();
        if (elements > MAX_ELEMENTS) return cut(`${MAX_ELEMENTS} elements`);
        const colon = name.indexOf(':');
        const prefix = colon === -1 ? '' : name.slice(0, colon);
        const role = roleOf(prefix, name.slice(colon + 1));
        open = role === undefined ? undefined : { role, prefix, binds: new Map() };
      },
      onattribute(name, value) {
        if (open === undefined) return;
        // The first of repeated attributes counts.
        if (name === 'rel') open.rel ??= boundedValue(value);
        else if (name === 'href') open.href ??= boundedValue(value);
        else if (name === 'xml:base') open.base ??= boundedValue(value);
        else if (name === 'xmlns' || name.startsWith('xmlns:')) bind(open, name.slice('xmlns:'.length), value);
      },
      onclosetag() {
        endTag();
        if (depth === linkParentDepth && linkScope !== undefined) finish();
        depth -= 1;
      },
      ontext: endTag,
    },
    { xmlMode: true },
  );

  return {
    write(text) {
      if (!isDone) parser.write(text);
      return isDone;
    },
    end() {
      // A final line end completes the last tag. Inside a truncated tag it does not, so that tag does not count.
      if (!isDone) parser.write('\n');
      open = undefined;
      if (!isDone) parser.end();
      const links = topicLinks(collector.take(), urls);
      return cutAt === undefined ? links : { ...links, cutAt };
    },
  };
}
