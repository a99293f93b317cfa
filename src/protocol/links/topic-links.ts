import { MAX_URL_LENGTH, type DocumentUrls } from './document-urls.js';
import { normalizeEscapes } from '../hub-query.js';

/** The most links read of one document. Links with relation hub, self or alternate count (PROTOCOL D12). */
export const MAX_LINKS = 1_000;

/** The most hubs kept of one document. */
export const MAX_HUBS = 10;

/** The most self links kept of one document. A second one is already an error. */
const MAX_SELFS = 2;

/**
 * Limit of the total length of URLs normalized for comparison, in characters. URLs over the limit are compared
 * unnormalized.
 */
const MAX_NORMALIZED_LENGTH = 256 * 1024;

/** The links a resource states: absolute http(s) URLs, in document order, without duplicates. */
export interface TopicLinks {
  /** At most ten. */
  readonly hubs: readonly string[];
  /** Whether there were more hubs than are kept; absent if not. */
  readonly hasMoreHubs?: true;
  /**
   * Self links, at most two. There should be exactly one: the topic URL (WebSub section 4). As written when absolute.
   */
  readonly selfs: readonly string[];
}

/** The target of a link, as written. */
export interface LinkTarget {
  readonly href: string;
  /** The base of the reference. Without it, the document's URL or its `<base href>` applies. */
  readonly base?: string | undefined;
  /** Media type of the target, as written. */
  readonly type?: string | undefined;
}

/** A link whose relation counts. */
export interface CollectedLink extends LinkTarget {
  readonly isHub: boolean;
  readonly isSelf: boolean;
  readonly isAlternate: boolean;
}

const SPACES = /[\t\n\f\r ]+/;

/** Collects the links of one document, up to the bound. */
export class LinkCollector {
  #links: CollectedLink[] = [];
  #count = 0;

  /** Whether further links are ignored. */
  get isFull(): boolean {
    return this.#count >= MAX_LINKS;
  }

  /**
   * Adds a link if its relation counts. `rel` is a list separated by white space and compared without regard to case
   * (RFC 8288, section 2.1).
   *
   * @param link returns the target, or undefined to skip the link; called only when the relation counts
   * @returns the link; undefined when it does not count
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

  /** Returns the links added since the last call. The bound applies to all calls together. */
  take(): readonly CollectedLink[] {
    const links = this.#links;
    this.#links = [];
    return links;
  }
}

/** Resolves a reference to an absolute http(s) URL; undefined when it does not resolve to one, or is over a bound. */
export function resolveHttp(urls: DocumentUrls, reference: string, base?: string): URL | undefined {
  const url = urls.resolve(reference, base);
  return url?.protocol === 'https:' || url?.protocol === 'http:' ? url : undefined;
}

/**
 * Resolves links and groups them by relation. Skips links that are not http(s) URLs, and hubs with credentials in their
 * URL.
 *
 * @param base the base of references without their own base
 */
export function topicLinks(links: Iterable<CollectedLink>, urls: DocumentUrls, base?: string): TopicLinks {
  const normalize = urlNormalizer();
  // One more than is kept, to detect further hubs.
  const hubs = new DistinctUrls(MAX_HUBS + 1, normalize);
  const selfs = new DistinctUrls(MAX_SELFS, normalize);
  for (const { isHub, isSelf, href, base: linkBase = base } of links) {
    const [wantsHub, wantsSelf] = [isHub && !hubs.isFull, isSelf && !selfs.isFull];
    const url = wantsHub || wantsSelf ? resolveHttp(urls, href, linkBase) : undefined;
    if (url === undefined) continue;
    if (wantsSelf) selfs.add(url.href, asWritten(href));
    const hub = wantsHub ? hubUrl(url) : undefined;
    if (hub !== undefined) hubs.add(hub);
  }
  const result = { hubs: hubs.values.slice(0, MAX_HUBS), selfs: selfs.values };
  return hubs.isFull ? { ...result, hasMoreHubs: true } : result;
}

/** Whether a link names a usable hub. */
export function isHubLink({ isHub, href, base }: CollectedLink, urls: DocumentUrls): boolean {
  const url = isHub ? resolveHttp(urls, href, base) : undefined;
  return url !== undefined && hubUrl(url) !== undefined;
}

/** Returns a function that normalizes URLs for comparison (PROTOCOL V10), up to a total length. */
function urlNormalizer(): (href: string) => string {
  let charactersLeft = MAX_NORMALIZED_LENGTH;
  return (href) => {
    if (!href.includes('%') || href.length > charactersLeft) return href;
    charactersLeft -= href.length;
    return normalizeEscapes(href);
  };
}

/** Keeps the first of equal URLs, up to a maximum. */
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
    const normalized = this.#normalize(href);
    if (!this.#seen.has(normalized)) this.values.push(value);
    this.#seen.add(href).add(normalized);
  }
}

/** Returns the hub's URL without its fragment, which is never sent; undefined for a URL with credentials. */
function hubUrl(url: URL): string | undefined {
  if (url.username !== '' || url.password !== '') return undefined;
  const [hub = ''] = url.href.split('#', 1);
  return hub;
}

/**
 * Returns an absolute topic as written. Hubs compare topics as strings, so `https://example.com` must not become
 * `https://example.com/`.
 */
function asWritten(href: string): string | undefined {
  const trimmed = href.trim();
  return /^https?:\/\/[\x21-\x7e]+$/i.test(trimmed) && URL.canParse(trimmed) ? trimmed : undefined;
}
