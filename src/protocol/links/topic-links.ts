import { MAX_URL_LENGTH, type DocumentUrls } from './document-urls.js';
import { normalizeEscapes } from '../hub-query.js';

/** Links looked at in one document: those of relation hub, self or alternate count (PROTOCOL D12). */
export const MAX_LINKS = 1_000;

/** Hubs kept of one document. */
export const MAX_HUBS = 10;

/** Self links kept of one document: a second one is an error already. */
const MAX_SELFS = 2;

/** URLs are normalized for comparing up to this length in all, in characters. Longer lists are compared as they are. */
const MAX_NORMALIZED_LENGTH = 256 * 1024;

/** What a resource says of itself: absolute http(s) URLs, in document order, each once. */
export interface TopicLinks {
  /** At most ten. */
  readonly hubs: readonly string[];
  /** Whether there were more hubs than are kept; absent when not. */
  readonly hasMoreHubs?: true;
  /** The topic URL is the one there should be (WebSub section 4); at most two. As written where it is absolute. */
  readonly selfs: readonly string[];
}

/** The target of a link, as written. */
export interface LinkTarget {
  readonly href: string;
  /** The URL that the reference is relative to; the document's own, or its `<base href>`, where absent. */
  readonly base?: string | undefined;
  /** Media type of what it leads to, as written. */
  readonly type?: string | undefined;
}

/** A link that is looked at. */
export interface CollectedLink extends LinkTarget {
  readonly isHub: boolean;
  readonly isSelf: boolean;
  readonly isAlternate: boolean;
}

const SPACES = /[\t\n\f\r ]+/;

/** The links of one document that are looked at, up to the bound. */
export class LinkCollector {
  #links: CollectedLink[] = [];
  #count = 0;

  /** Whether further links do not count. */
  get isFull(): boolean {
    return this.#count >= MAX_LINKS;
  }

  /**
   * Takes a link, unless its relation is none of those looked at. `rel` is a list separated by white space and compared
   * without regard to case (RFC 8288, section 2.1).
   *
   * @param link gives the rest of it, or undefined to leave it out; asked only if it is looked at
   * @returns the link, unless it does not count
   */
  add(rel: string, link: () => LinkTarget | undefined): CollectedLink | undefined {
    if (this.isFull || rel.length > MAX_URL_LENGTH) return undefined;
    const relations = rel.toLowerCase().split(SPACES);
    const [isHub, isSelf] = [relations.includes('hub'), relations.includes('self')];
    const isAlternate = relations.includes('alternate');
    if (!isHub && !isSelf && !isAlternate) return undefined;
    this.#count += 1;
    const target = link();
    if (target === undefined) return undefined;
    const { href, base, type } = target;
    const isFeed = isAlternate && !relations.includes('stylesheet');
    const collected: CollectedLink = { href, base, type, isHub, isSelf, isAlternate: isFeed };
    this.#links.push(collected);
    return collected;
  }

  /** The links taken since the last call. The bound is on all of them. */
  take(): readonly CollectedLink[] {
    const links = this.#links;
    this.#links = [];
    return links;
  }
}

/** Resolves a reference to an absolute http(s) URL; undefined when it is none, or over a bound. */
export function resolveHttp(urls: DocumentUrls, reference: string, base?: string): URL | undefined {
  const url = urls.resolve(reference, base);
  return url?.protocol === 'https:' || url?.protocol === 'http:' ? url : undefined;
}

/**
 * Resolves links and sorts them by relation. Links that do not resolve to an http(s) URL are left out, as are hubs with a
 * password in their URL.
 *
 * @param base what references without a base of their own are relative to
 */
export function topicLinks(links: Iterable<CollectedLink>, urls: DocumentUrls, base?: string): TopicLinks {
  const comparable = urlNormalizer();
  // One more than is kept tells whether there are more.
  const hubs = new DistinctUrls(MAX_HUBS + 1, comparable);
  const selfs = new DistinctUrls(MAX_SELFS, comparable);
  for (const { isHub, isSelf, href, base: linkBase = base } of links) {
    const [wantsHub, wantsSelf] = [isHub && !hubs.isFull, isSelf && !selfs.isFull];
    const url = wantsHub || wantsSelf ? resolveHttp(urls, href, linkBase) : undefined;
    if (url === undefined) continue;
    if (wantsSelf) selfs.add(url.href, asWritten(href));
    const hub = wantsHub ? hubUrl(url) : undefined;
    if (hub !== undefined) hubs.add(hub);
  }
  const found = { hubs: hubs.values.slice(0, MAX_HUBS), selfs: selfs.values };
  return hubs.isFull ? { ...found, hasMoreHubs: true } : found;
}

/** Whether a link names a hub that can be subscribed at. */
export function isHubLink({ isHub, href, base }: CollectedLink, urls: DocumentUrls): boolean {
  const url = isHub ? resolveHttp(urls, href, base) : undefined;
  return url !== undefined && hubUrl(url) !== undefined;
}

/** The form in which a URL is compared, for as many characters as are normalized (PROTOCOL V10). */
function urlNormalizer(): (href: string) => string {
  let charactersLeft = MAX_NORMALIZED_LENGTH;
  return (href) => {
    if (!href.includes('%') || href.length > charactersLeft) return href;
    charactersLeft -= href.length;
    return normalizeEscapes(href);
  };
}

/** Keeps the first of equal URLs, and only so many. */
class DistinctUrls {
  readonly values: string[] = [];
  readonly #seen = new Set<string>();
  readonly #max: number;
  readonly #normalize: (href: string) => string;

  constructor(max: number, normalize: (href: string) => string) {
    this.#max = max;
    this.#normalize = normalize;
  }

  get isFull(): boolean {
    return this.values.length >= this.#max;
  }

  add(href: string, value = href): void {
    if (this.#seen.has(href)) return;
    const form = this.#normalize(href);
    if (!this.#seen.has(form)) this.values.push(value);
    this.#seen.add(href).add(form);
  }
}

/** What can be posted to: a fragment never leaves the client, credentials must not. */
function hubUrl(url: URL): string | undefined {
  if (url.username !== '' || url.password !== '') return undefined;
  const [hub = ''] = url.href.split('#', 1);
  return hub;
}

/** Publishers announce, and hubs compare, the topic as it is written: `https://example.com` is to keep its missing slash. */
function asWritten(href: string): string | undefined {
  const trimmed = href.trim();
  return /^https?:\/\/[\x21-\x7e]+$/i.test(trimmed) && URL.canParse(trimmed) ? trimmed : undefined;
}
