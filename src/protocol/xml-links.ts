import { onDemand } from '../on-demand.js';
import { MAX_DEPTH, type LinkReader } from './link-reader.js';
import { topicLinks, type WrittenLink } from './topic-links.js';

const ATOM = 'http://www.w3.org/2005/Atom';
/** RFC 4287, section 4.2.7.2: a relation type may be spelled out as a URL. */
const IANA_RELATION = 'http://www.iana.org/assignments/relation/';

/** What holds at a place in the document. */
interface Scope {
  readonly base: string;
  /** Namespaces by prefix, the default one under the empty prefix. */
  readonly namespaces: ReadonlyMap<string, string>;
}

/**
 * Reads `atom:link` of a feed (WebSub section 4; RFC 8288, appendix A.2): children of Atom's `feed` (or of whatever else
 * the root is), in RSS and RDF children of `channel`; those of entries, items and sources speak for other resources.
 * The prefix may be any that is bound to the Atom namespace; `xml:base` is honoured. Done at the first entry or item
 * once a hub is known, else where the feed or channel ends.
 *
 * @param url where the document came from
 */
export function createXmlLinkReader(url: string): LinkReader {
  const links: WrittenLink[] = [];
  /** Scopes of the root and, in RSS and RDF, of the channel. */
  const scopes: Scope[] = [{ base: url, namespaces: new Map() }];
  let depth = 0;
  /** How deep the element lies whose links count: the root, or the channel in it. */
  let holderDepth = 1;
  let hubKnown = false;
  let done = false;

  function finish(): void {
    done = true;
    parser.pause();
  }

  function addLink({ rel, href }: Readonly<Record<string, string>>, base: string): void {
    if (rel === undefined || href === undefined) return;
    const link = { rel: rel.trim().replace(IANA_RELATION, ''), href, base };
    links.push(link);
    hubKnown ||= topicLinks([link]).hubs.length > 0;
  }

  function openElement(name: string, attributes: Readonly<Record<string, string>>): void {
    const parent = scopes.at(-1);
    // Deeper than what counts, or beside the channel.
    if (parent === undefined || scopes.length !== depth) return;
    const colon = name.indexOf(':');
    const localName = name.slice(colon + 1);
    const scope = innerScope(parent, attributes);
    if (depth === 1) {
      holderDepth = /^(?:rss|rdf)$/i.test(localName) ? 2 : 1;
      scopes.push(scope);
    } else if (depth === holderDepth) {
      if (localName.toLowerCase() === 'channel') scopes.push(scope);
    } else if (localName === 'link' && scope.namespaces.get(colon === -1 ? '' : name.slice(0, colon)) === ATOM) {
      addLink(attributes, scope.base);
    } else if (hubKnown && (localName === 'entry' || localName === 'item')) {
      finish();
    }
  }

  const { Parser } = onDemand('htmlparser2');
  const parser = new Parser(
    {
      onopentag(name, attributes) {
        depth += 1;
        if (depth > MAX_DEPTH) finish();
        else openElement(name, attributes);
      },
      onclosetag() {
        if (depth === holderDepth && scopes.length > holderDepth) finish();
        depth -= 1;
      },
    },
    { xmlMode: true },
  );

  return {
    write(text) {
      if (!done) parser.write(text);
      return done;
    },
    end() {
      if (!done) parser.end();
      return topicLinks(links);
    },
  };
}

function innerScope(outer: Scope, attributes: Readonly<Record<string, string>>): Scope {
  let namespaces: Map<string, string> | undefined;
  for (const [name, value] of Object.entries(attributes)) {
    if (name !== 'xmlns' && !name.startsWith('xmlns:')) continue;
    namespaces ??= new Map(outer.namespaces);
    namespaces.set(name.slice('xmlns:'.length), value.trim());
  }
  const base = attributes['xml:base'];
  return {
    base: base !== undefined && URL.canParse(base, outer.base) ? new URL(base, outer.base).href : outer.base,
    namespaces: namespaces ?? outer.namespaces,
  };
}
