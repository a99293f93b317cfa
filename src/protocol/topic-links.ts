/** What a resource says of itself: absolute http(s) URLs, in document order, each once. */
export interface TopicLinks {
  readonly hubs: readonly string[];
  /** The topic URL is the one there should be (WebSub section 4). As written where it is absolute. */
  readonly selfs: readonly string[];
}

/** A link as it is written: its relation types, its reference, and the URL the reference is relative to. */
export interface WrittenLink {
  readonly rel: string;
  readonly href: string;
  readonly base: string;
}

const SPACES = /[\t\n\f\r ]+/;

/** Resolves a reference to an absolute URL; undefined when that is no http(s) URL. A base that is no URL, as a topic may be, resolves absolute ones only. */
export function resolveHttpUrl(reference: string, base: string): string | undefined {
  const from = URL.canParse(base) ? base : undefined;
  const url = URL.canParse(reference, from) ? new URL(reference, from) : undefined;
  return url?.protocol === 'https:' || url?.protocol === 'http:' ? url.href : undefined;
}

/**
 * Sorts links by relation type: `rel` is a list separated by white space and compared without regard to case
 * (RFC 8288, section 2.1). Links that do not resolve to an http(s) URL are left out, as are hubs with a password in it.
 */
export function topicLinks(links: Iterable<WrittenLink>): TopicLinks {
  const hubs = new Set<string>();
  const selfs = new Map<string, string>();
  for (const { rel, href, base } of links) {
    const relations = rel.toLowerCase().split(SPACES);
    const isHub = relations.includes('hub');
    const isSelf = relations.includes('self');
    if (!isHub && !isSelf) continue;
    const url = resolveHttpUrl(href, base);
    const hub = url === undefined ? undefined : hubUrl(url);
    if (isHub && hub !== undefined) hubs.add(hub);
    if (isSelf && url !== undefined && !selfs.has(url)) selfs.set(url, asWritten(href) ?? url);
  }
  return { hubs: [...hubs], selfs: [...selfs.values()] };
}

/** What can be posted to: a fragment never leaves the client, credentials must not. */
function hubUrl(href: string): string | undefined {
  const url = new URL(href);
  url.hash = '';
  return url.username === '' && url.password === '' ? url.href : undefined;
}

/** Publishers announce, and hubs compare, the topic as it is written: `https://example.com` is to keep its missing slash. */
function asWritten(href: string): string | undefined {
  const trimmed = href.trim();
  return /^https?:\/\/[\x21-\x7e]+$/i.test(trimmed) && URL.canParse(trimmed) ? trimmed : undefined;
}
