import { ResourceDiscoveryFailedError } from '../../errors.js';
import { MAX_HUBS } from '../../protocol/links/topic-links.js';
import { startDeadline } from '../http/deadline.js';
import { multipleSelfError, noHubError, statusError } from './discovery-error.js';
import { ACCEPT_FEEDS, discoveryRequest } from './discovery-request.js';
import { withDocument, type DocumentRequest } from './document.js';
import type { DiscoveryConfig } from '../http/http-config.js';
import { bufferDocument, type TopicContentSink } from './buffered-document.js';
import { findHub, type DiscoverySource, type HubLinks, type HubSearch } from './find-hub.js';
import type { OnAnswer } from '../outbound-log.js';
import { sanitizeError } from '../redaction/credential-redactor.js';
import { withheldMessage } from '../redaction/withheld-credentials.js';

export type { DiscoverySource } from './find-hub.js';

/**
 * The result of discovery: the topic and hubs that a resource advertises (WebSub section 4).
 *
 * @example
 * const { topic, hubs, via }: Discovery = await discover('https://example.com/feed');
 */
export interface Discovery {
  /** The topic URL: the `rel=self` link beside the hub, or the final URL without one. */
  readonly topic: string;
  /** The hubs, 1 to 10, in document order. */
  readonly hubs: readonly string[];
  /** The URL that answered, after redirects. It is the URL of the alternate feed if that was read. */
  readonly url: string;
  /** The place of the links to hub and topic. */
  readonly via: DiscoverySource;
  /** The alternate feed that was read because the page names no hub, as the page lists it. Absent if none was read. */
  readonly feed?: string;
  /** Tolerated oddities of the resource, and origins that got no credentials. Absent if there are none. */
  readonly warnings?: readonly string[];
}

/** Options of a discovery that only the runtime sets. */
export interface DiscoveryContext {
  /** Whether a public URL and its redirects may lead into private networks. @default false */
  readonly allowPrivateNetworks?: boolean | undefined;
  /**
   * Called with the URL of each request that is sent without the configured headers and credentials.
   * @default `warnings` lists their origins
   */
  readonly onWithheld?: ((url: string) => void) | undefined;
  /** The alternate feed used last. It is used again while the page lists it. @default the first that the page lists */
  readonly lastFeed?: string | undefined;
  /** Aborts the discovery. */
  readonly signal?: AbortSignal | undefined;
  /** The clock for a date in `Retry-After`, in epoch milliseconds. @default Date.now */
  readonly now?: (() => number) | undefined;
  /** Called with each answer, redirects included. */
  readonly onAnswer?: OnAnswer | undefined;
  /** Receives the whole document if it is the topic and a feed. @default reading ends after the links */
  readonly contentSink?: TopicContentSink | undefined;
}

/**
 * Finds the hubs and the topic URL that a resource advertises (WebSub section 4).
 *
 * It looks at these places until it finds a hub:
 *
 * 1. the HTTP `Link` headers of the answer,
 * 2. the links in the document: HTML, Atom, RSS, RDF or JSON Feed,
 * 3. the `Link` headers of the redirects that led to the document,
 * 4. the first alternate feed in the head of a page.
 *
 * It follows redirects, and reads no more of a document than it needs. `httpConfig.timeoutMs` applies to the whole
 * discovery.
 *
 * @example
 * ```ts
 * const { topic, hubs } = await discover('https://example.com/feed');
 * ```
 * @throws ResourceDiscoveryFailedError if no hub was found. `reason` is the kind of failure.
 * @throws ConfigurationError if the configuration has a header that cannot be sent, or an invalid number
 */
export async function discover(
  url: string,
  config: DiscoveryConfig = {},
  context: DiscoveryContext = {},
): Promise<Discovery> {
  const { allowPrivateNetworks = false, signal, now, contentSink, lastFeed, onAnswer } = context;
  const withheld = new Set<string>();
  const onWithheld = (requestedUrl: string): void => {
    withheld.add(withheldMessage(requestedUrl, url));
    context.onWithheld?.(requestedUrl);
  };
  const targetRequest = discoveryRequest(config, allowPrivateNetworks);
  const deadline = startDeadline(targetRequest.timeoutMs, signal);
  const searchAt = (documentUrl: string, request: DocumentRequest, isAlternateFeed = false): Promise<HubSearch> =>
    withDocument(documentUrl, { ...request, now, onWithheld, onAnswer, deadline }, async (document) => {
      const { status } = document;
      if (status < 200 || status > 299) {
        const { headers: requestHeaders } = request;
        throw statusError({ url: document.url, status, requestHeaders, withheld: [...withheld], isAlternateFeed });
      }
      const buffered = contentSink && bufferDocument(document, contentSink);
      const result = await findHub(buffered?.document ?? document, lastFeed);
      if (result.hubLinks !== undefined) await buffered?.emit(result.hubLinks.links.selfs[0] ?? result.url);
      return result;
    });
  try {
    const page = await searchAt(url, targetRequest);
    const { feed } = page;
    const feedRequest = { ...discoveryRequest(config, allowPrivateNetworks, ACCEPT_FEEDS), configuredUrl: url };
    const discovery =
      page.hubLinks !== undefined || feed === undefined
        ? toDiscovery(page)
        : { ...(await discoverInFeed(page, searchAt(feed, feedRequest, true))), feed };
    if (withheld.size === 0 || context.onWithheld !== undefined) return discovery;
    return { ...discovery, warnings: [...(discovery.warnings ?? []), ...withheld] };
  } finally {
    deadline.clear();
  }
}

/** The discovery from the alternate feed of a page that names no hub. */
async function discoverInFeed(page: HubSearch, feedSearch: Promise<HubSearch>): Promise<Discovery> {
  let feed;
  try {
    feed = await feedSearch;
  } catch (error) {
    // The page may have echoed credentials in the URL of the feed.
    const sanitized = sanitizeError(error, page.sanitize);
    // Page and feed share one deadline, so a timeout is not only about the feed.
    if (!(sanitized instanceof ResourceDiscoveryFailedError) || sanitized.reason === 'timeout') throw sanitized;
    throw noHubError(page, { feedError: sanitized });
  }
  if (feed.hubLinks === undefined) throw noHubError(page, { feedPlaces: feed.searchedPlaces });
  return toDiscovery({ ...feed, sanitize: (text) => page.sanitize(feed.sanitize(text)) });
}

function toDiscovery(result: HubSearch): Discovery {
  if (result.hubLinks === undefined) throw noHubError(result);
  const { url, sanitize } = result;
  const { via, links }: HubLinks = result.hubLinks;
  const { hubs, selfs, hasMoreHubs = false } = links;
  if (selfs.length > 1) throw multipleSelfError(result, via, selfs);
  const warnings = [...result.warnings];
  if (selfs[0] === undefined)
    warnings.push(`${url} names a hub but no self link (${via}), so its URL is used as the topic`);
  if (hasMoreHubs)
    warnings.push(`${url} names more than ${MAX_HUBS} hubs (${via}), and only the first ${MAX_HUBS} are used`);
  return {
    topic: selfs[0] ?? url,
    hubs,
    url,
    via,
    ...(warnings.length > 0 ? { warnings: warnings.map(sanitize) } : {}),
  };
}
